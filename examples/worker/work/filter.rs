//! Sends events on: those that are to be kept, into another stream.

use clap::Args;
use kinesis_lab::prelude::*;
use kinesis_lab::{Filter, SharedFilter};

use crate::formats::FormatArguments;
use crate::pages::is_page;

#[derive(Args)]
pub(crate) struct SendOn {
    /// The stream that they are sent to, which has to be there
    #[arg(long, value_name = "STREAM")]
    to: String,
    /// Do not send on events of this page; `*` at its end stands for anything (more than one: repeat it)
    #[arg(long, value_name = "PAGE")]
    drop_page: Vec<String>,
    /// Which one it is, where several read one stream and send to one
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
    #[command(flatten)]
    format: FormatArguments,
}

impl SendOn {
    pub(super) fn filter(
        &self,
        database: &str,
        stream: &Stream,
        kinesis: &Kinesis,
    ) -> Result<SharedFilter, Error> {
        if self.to == stream.name() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "--to is the stream that is read: it would never end",
            ));
        }
        let dropped = self.drop_page.clone();
        let keep = move |event: &kinesis_lab::Event| !dropped.iter().any(|page| is_page(event, page));
        let filter = Filter::new(&kinesis.stream(&self.to)?, keep).reading(self.format.format()?);
        match &self.filter {
            Some(name) => filter.named(name),
            None => filter,
        }
        .shared_in(database, stream)
    }
}
