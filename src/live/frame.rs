//! How a notebook shows the page: in a frame, with a picture for when there is no page any more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::chart::{Chart, push_content};

/// What the kernel makes one display bundle of.
///
/// The address stands in it, with its token, because a frame needs it. It opens nothing any more when this
/// process has ended, and until then only on this machine; whoever is given the notebook gets the picture.
pub(super) fn bundle(url: &str, chart: &Chart, height: u32) -> String {
    let mut text = format!("{}\n\nlive, until this process ends: {url}", chart.text());
    let (mut out, mut picture) = (String::new(), String::new());
    match chart.png() {
        Ok(png) => picture = STANDARD.encode(png),
        Err(error) => text.push_str(&format!("\n({error})")),
    }
    push_content(&mut out, "text/html", &html(url, &picture, height));
    if !picture.is_empty() {
        push_content(&mut out, "image/png", &picture);
    }
    push_content(&mut out, "text/plain", &text);
    out
}

/// The picture, and the page over it. An `object`, not an `iframe`: it is nothing to be seen when nobody answers at the
/// address, while an `iframe` shows the browser's page about a broken connection, and whatever somebody else answers
/// there. Not inside of it, where a browser shows the picture only after it has tried: a cell that is scrolled into
/// view later is shown before that, and one that is taken out and put back meanwhile never. Where pages are cleaned
/// of frames (GitHub, a notebook that is not trusted), the picture is what is left.
fn html(url: &str, picture: &str, height: u32) -> String {
    let picture = match picture {
        "" => String::new(),
        png => format!(
            "<img src=\"data:image/png;base64,{png}\" alt=\"the counts when this cell ran\" \
             style=\"max-width: 100%\"><br>"
        ),
    };
    format!(
        "<div class=\"kinesis-lab-live\" style=\"position: relative; height: {height}px; overflow: hidden\">{picture}\
         <small>A live view, as it was when this cell ran; run it, and it moves.</small>\
         <object type=\"text/html\" data=\"{url}\" style=\"position: absolute; top: 0; left: 0; width: 100%; \
         height: 100%; border: 0\"></object></div>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    #[test]
    fn the_picture_stands_under_the_frame() {
        let rows = vec![(Timestamp::from_secs(0), vec![("EVCXR_END_CONTENT <b>".to_owned(), 3)])];
        let bundle = bundle("http://127.0.0.1:1/ab/", &Chart::bars("<i>", rows), 600);
        let content = |mime: &str| {
            let (_, rest) = bundle.split_once(&format!("EVCXR_BEGIN_CONTENT {mime}\n")).unwrap();
            rest.split_once("\nEVCXR_END_CONTENT\n").unwrap().0
        };
        let (html, png, text) = (content("text/html"), content("image/png"), content("text/plain"));
        assert_eq!(bundle.matches("EVCXR_").count(), 6, "{text}");
        // Before the frame, which lies over it: it waits for nothing that the frame does.
        let (before, object) =
            html.split_once("<object type=\"text/html\" data=\"http://127.0.0.1:1/ab/\"").unwrap();
        assert!(before.contains(&format!("src=\"data:image/png;base64,{png}\"")), "{html}");
        assert!(object.ends_with("></object></div>") && !object.contains("<img"), "{html}");
        // What comes from strangers is in the picture alone, and in the text, where it is text.
        assert!(!html.contains("<b>") && !html.contains("<i>") && text.contains("<b>"));
        assert!(text.ends_with("live, until this process ends: http://127.0.0.1:1/ab/"), "{text}");
    }
}
