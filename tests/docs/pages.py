"""The documentation's pages: their code blocks, links and anchors."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: What is run; and what is only shown, or written to a file where a comment says so.
RUN, SHOWN = {"python", "sh"}, {"", "toml", "json", "csv", "yaml", "text", "mermaid", "math"}

COMMENT = re.compile(r"<!--\s*(.*?)\s*-->")
EXCUSE = re.compile(r"not run(?: \((?P<pattern>.*)\))?: (?P<reason>.+)")


def pages() -> list[Path]:
    """Return every page whose blocks are run."""
    examples = (
        path for path in ROOT.glob("examples/**/README.md") if "node_modules" not in path.parts
    )
    return [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(examples)]


def page_name(path: Path) -> str:
    """Return what a page is called in tests."""
    return str(path.relative_to(ROOT))


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        place: page and line, for messages.
        language: what its fence says.
        text: its lines.
        comments: what the HTML comments right above it say.
    """

    place: str
    language: str
    text: str
    comments: tuple[str, ...]

    @property
    def file(self) -> str | None:
        """The file it is to be written to, if a comment says "file: PATH"."""
        for comment in self.comments:
            if comment.startswith("file: "):
                return comment.removeprefix("file: ")
        return None

    @property
    def excuse(self) -> tuple[re.Pattern[str], str] | None:
        """Which commands are not run, and why: "not run: WHY" or "not run (PATTERN): WHY"."""
        for comment in self.comments:
            if found := EXCUSE.fullmatch(comment):
                return re.compile(found["pattern"] or ""), found["reason"]
        return None

    def commands(self) -> list[str]:
        """Return the commands of a block of sh, without comments."""
        joined = self.text.replace("\\\n", " ")
        lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
        return [part.strip() for line in lines if line for part in line.split("&&")]


def blocks(path: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments: list[str] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if line.startswith("```"):
            end = lines.index("```", number + 1)
            place = f"{page_name(path)}:{number + 1}"
            text = "\n".join(lines[number + 1 : end]) + "\n"
            yield Block(place, line[3:].strip(), text, tuple(comments))
            number = end
            comments = []
        elif found := COMMENT.fullmatch(line):
            comments.append(found[1])
        else:
            comments = []
        number += 1


def prose(path: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(
        r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def links(path: Path) -> list[str]:
    """Return where a page links to, images included."""
    text = re.sub(r"`[^`\n]*`", "", prose(path))
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(path), flags=re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        count = sum(name == slug or re.fullmatch(f"{re.escape(slug)}-\\d+", name) is not None
                    for name in found)  # fmt: skip
        found.add(f"{slug}-{count}" if count else slug)
    return found
