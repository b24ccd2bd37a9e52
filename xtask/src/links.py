"""Links of a notebook's text, where it is a page of the book or a talk."""

import re

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")


def for_book(text, pages):
    """Links between notebooks lead to `pages`; one to a file that is not among these is its text."""
    def link(found):
        words, target = found.groups()
        path, mark, fragment = target.partition("#")
        if path in pages:
            return f"[{words}]({pages[path]}{mark}{fragment})"
        return found.group(0) if not path or "://" in path else words
    # Not in code: an index such as `shards[0](…)` is no link.
    parts = re.split(r"(```.*?```|`[^`\n]*`)", text, flags=re.DOTALL)
    return "".join(part if n % 2 else LINK.sub(link, part) for n, part in enumerate(parts))
