"""A page for people: tables, pictures and sounds in one HTML file that needs nothing else, not even a network."""

import base64
import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from torch import Tensor

from intertone.audio import encode_audio
from intertone.page_style import SCRIPT, STYLE


@dataclass(frozen=True)
class Table:
    """A table for people: a title, a sentence on how to read it, cells as text, and what follows from them, if that."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    verdict: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture: PNG of 144 dots an inch, what it shows in words for those who do not see it, and a caption."""

    png: bytes
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Clip:
    """A sound to play, ``(samples,)`` or ``(channels, samples)``, under its spectrogram, a PNG."""

    title: str
    audio: Tensor
    sample_rate: int
    png: bytes


@dataclass(frozen=True)
class Listening:
    """Sounds that belong together, side by side, under a heading and a line on what they are."""

    title: str
    note: str
    clips: Sequence[Clip]


@dataclass(frozen=True)
class Spot:
    """A place in a picture where a sound can be heard.

    Attributes:
        title: What the sound is.
        audio: ``(samples,)`` or ``(channels, samples)``.
        sample_rate: Hz.
        area: Left, top, width and height, of the picture's own width and height.
        listed: Whether it is a round point with its name below the picture too, not an area.
    """

    title: str
    audio: Tensor
    sample_rate: int
    area: tuple[float, float, float, float]
    listed: bool = False


@dataclass(frozen=True)
class SoundMap:
    """A picture with at least one place that can be clicked to be heard; a later place lies on top of earlier ones."""

    picture: Picture
    spots: Sequence[Spot]


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Command:
    """A line for the command line."""

    text: str


Block = str | Points | Command | Table | Picture | SoundMap | Listening
"""Part of a section; a string is a paragraph."""


@dataclass(frozen=True)
class Section:
    """A part of a page with an entry in its list of contents."""

    title: str
    blocks: Sequence[Block]


def render_page(title: str, sections: Sequence[Section], *, lead: Sequence[Block] = ()) -> str:
    """Return one HTML page that holds everything it shows.

    Tables and pictures are numbered. All text is escaped. A content security policy forbids every request, so the page
    is the same without a network.

    Args:
        title: Of the page.
        sections: Its parts, in their order.
        lead: What stands before the first section.

    Returns:
        The text of an ``.html`` file.

    Raises:
        InputError: If a sound is empty or not finite.
        ValueError: If a row of a table has more or fewer cells than the table has columns.

    Example:
        >>> page = render_page("Two < three", [Section("Figures", [Table("Sums", "", ("a", "b"), [("1", "2")])])])
        >>> "<h1>Two &lt; three</h1>" in page, '<td class="number">2</td>' in page
        (True, True)
    """
    writer = _Writer()
    names = [f"{number}-{_slug(section.title)}" for number, section in enumerate(sections, 1)]
    links = [f'<li><a href="#{name}">{escape(s.title)}</a></li>' for name, s in zip(names, sections, strict=True)]
    parts = [f"<header><h1>{escape(title)}</h1>", *map(writer.block, lead), "</header>"]
    for name, section in zip(names, sections, strict=True):
        parts += [f'<section id="{name}" aria-labelledby="{name}-title">']
        parts += [f'<h2 id="{name}-title">{escape(section.title)}</h2>', *map(writer.block, section.blocks)]
        parts += ["</section>"]
    policy = f"default-src 'none'; img-src data:; media-src data:; style-src '{_hash(STYLE)}'"
    head = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f"""<meta http-equiv="Content-Security-Policy" content="{policy}; script-src '{_hash(SCRIPT)}'">""",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
    ]
    contents = ['<nav aria-label="Contents"><ol>', *links, "</ol></nav>"] if sections else []
    foot = ["</main>", f"<script>{SCRIPT}</script>\n</body>\n</html>\n"]
    return "\n".join([*head, *contents, "<main>", *parts, *foot])


def percent(share: float | None, *, decimals: int = 0) -> str:
    """Return a share in words; a dash where there is none.

    Example:
        >>> percent(0.876), percent(0.876, decimals=1), percent(None)
        ('88 %', '87.6 %', '–')
    """
    return "–" if share is None else f"{100 * share:.{decimals}f} %"


def markdown_rows(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return cells as a table in Markdown.

    Example:
        >>> markdown_rows(("a", "b"), [("1", "2")]).splitlines()
        ['| a | b |', '| --- | --- |', '| 1 | 2 |']
    """
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown_table(table: Table, *, heading: str) -> str:
    """Return a table with its title behind ``heading``, such as ``##``, its note and its verdict in Markdown."""
    parts = [f"{heading} {table.title}", table.note, markdown_rows(table.columns, table.rows)]
    return "\n\n".join([*parts, *([f"**{table.verdict}**"] if table.verdict else [])])


def png_uri(png: bytes) -> str:
    """Return a picture as an address that holds it.

    Example:
        >>> png_uri(b"picture")
        'data:image/png;base64,cGljdHVyZQ=='
    """
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def audio_uri(audio: Tensor, sample_rate: int, *, name: str = "sound") -> str:
    """Return a sound as an address that holds it: FLAC of 16 bits, which browsers play and which takes half of WAV.

    Args:
        audio: ``(samples,)`` or ``(channels, samples)``, −1…1; larger peaks are scaled down, and that is logged.
        sample_rate: Hz.
        name: What the sound is called where something is logged; any text.

    Returns:
        A ``data:`` address.

    Raises:
        InputError: If the sound is empty or not finite.

    Example:
        >>> import torch
        >>> audio_uri(torch.zeros(800), 16000).partition(";")[0]
        'data:audio/flac'
    """
    file = name.replace("/", "-") or "sound"  # a name that ends in a slash would be one of a folder
    sound = encode_audio(f"{file}.flac", audio, sample_rate=sample_rate, format="pcm16")
    return f"data:audio/flac;base64,{base64.b64encode(sound).decode()}"


class _Writer:
    """Writes blocks, and counts the tables and pictures."""

    def __init__(self) -> None:
        self.n_tables = self.n_pictures = 0

    def block(self, block: Block) -> str:
        match block:
            case str():
                return f"<p>{_text(block)}</p>"
            case Points():
                return "\n".join(["<ul>", *(f"<li>{_text(line)}</li>" for line in block.lines), "</ul>"])
            case Command():
                return f'<pre tabindex="0"><code>{escape(block.text)}</code></pre>'
            case Table():
                return self.table(block)
            case Picture():
                return self.picture(block)
            case SoundMap():
                return self.picture(block.picture, block.spots)
            case Listening():
                clips = "\n".join(map(_clip, block.clips))
                note = f"<p>{_text(block.note)}</p>" if block.note else ""
                head = f"<h3>{escape(block.title)}</h3>{note}"
                return f'<article class="listening">{head}<div class="clips">\n{clips}\n</div></article>'

    def table(self, table: Table) -> str:
        if wrong := [row for row in table.rows if len(row) != len(table.columns)]:
            raise ValueError(f"a row of {table.title!r} must have {len(table.columns)} cells, got {wrong[0]}")
        self.n_tables += 1
        numbers = [all(map(is_number, cells)) for cells in zip(*table.rows, strict=True)]
        kinds = [' class="number"' if right else "" for right in numbers or [False] * len(table.columns)]
        kinds[0] = ""
        head = [f'<th scope="col"{kind}>{escape(name)}</th>' for kind, name in zip(kinds, table.columns, strict=True)]
        rows = []
        for first, *others in table.rows:
            cells = [f"<td{kind}>{_cell(cell, kind)}</td>" for kind, cell in zip(kinds[1:], others, strict=True)]
            rows.append(f'<tr><th scope="row">{escape(first)}</th>{"".join(cells)}</tr>')
        lines = [
            f'<figure class="table"><figcaption><b>Table {self.n_tables}. {escape(table.title)}.</b> '
            f"{_text(table.note)}</figcaption>",
            f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}"><table>',
            f"<thead><tr>{''.join(head)}</tr></thead>",
            "<tbody>",
            *rows,
            "</tbody></table></div></figure>",
        ]
        lines += [f'<p class="verdict">{_text(table.verdict)}</p>'] if table.verdict else []
        return "\n".join(lines)

    def picture(self, picture: Picture, spots: Sequence[Spot] = ()) -> str:
        self.n_pictures += 1
        image = _image(picture.png, picture.alt, scale=96 / 144)
        if spots:
            image = _playable(image, spots, _size(picture.png), f"spot-{self.n_pictures}")
        caption = f"<figcaption><b>Figure {self.n_pictures}.</b> {_text(picture.caption)}</figcaption>"
        return f'<figure class="picture">{image}{caption}</figure>'


def _text(text: str) -> str:
    """Escape a sentence, and keep its numbers and their units on one line."""
    return escape(re.sub(r"(?<=\d) (?=%|(?:dB|s|ms|Hz|kHz|LU|cents)\b)", "\u00a0", text))


def _cell(cell: str, kind: str) -> str:
    return escape(re.sub(r"^-(?=\d)", "−", cell) if kind else cell)


def _clip(clip: Clip) -> str:
    title = escape(clip.title)
    image = _image(clip.png, f"Spectrogram: {clip.title}")
    source = audio_uri(clip.audio, clip.sample_rate, name=clip.title)
    player = f'<audio controls preload="metadata" aria-label="{title}" src="{source}"></audio>'
    return f'<figure class="clip"><figcaption>{title}</figcaption>{image}{player}</figure>'


def _playable(image: str, spots: Sequence[Spot], size: tuple[int, int], name: str) -> str:
    """Return a picture under shapes that hold the sounds, with one player for all of them."""
    shapes, names = [], []
    for number, spot in enumerate(spots, 1):
        left, top, width, height = (round(share * pixels, 1) for share, pixels in zip(spot.area, 2 * size, strict=True))
        title, source = escape(spot.title), audio_uri(spot.audio, spot.sample_rate, name=spot.title)
        corners = f' rx="{width / 2}"' if spot.listed else ""
        shapes.append(
            f'<rect id="{name}-{number}" x="{left}" y="{top}" width="{width}" height="{height}"{corners} role="button" '
            f'tabindex="0" aria-label="{title}" data-sound="{source}"><title>{title}</title></rect>'
        )
        names += [f'<button type="button" data-spot="{name}-{number}">{title}</button>'] if spot.listed else []
    player = f'<audio controls aria-label="Sound of the place" src="{audio_uri(spots[0].audio, spots[0].sample_rate)}">'
    return "\n".join(
        [
            f'<div class="ground">{image}<svg viewBox="0 0 {size[0]} {size[1]}">',
            *shapes,
            f'</svg></div><div class="heard">{player}</audio><output>{escape(spots[0].title)}</output></div>',
            *([f'<div class="names">{"".join(names)}</div>'] if names else []),
        ]
    )


def _size(png: bytes) -> tuple[int, int]:
    """Return width and height in pixels."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _image(png: bytes, alt: str, *, scale: float = 1) -> str:
    width, height = (round(scale * value) for value in _size(png))
    return f'<img width="{width}" height="{height}" src="{png_uri(png)}" alt="{escape(alt)}">'


def is_number(cell: str) -> bool:
    """Tell whether a cell is to be aligned as a number: one, perhaps with a unit, or nothing.

    Example:
        >>> [is_number(cell) for cell in ("-3.1 dB", "–", "", "C4–B4")]
        [True, True, True, False]
    """
    return re.match(r"[+\-−±<>≤≥]?\s?\d|–$|$", cell) is not None


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
