"""Self-contained HTML pages with tables, pictures and sounds, which work without a network."""

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
    """Table of a page: title, a note on how to read it, column names, cells as text, and an optional conclusion."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    verdict: str = ""


@dataclass(frozen=True)
class Picture:
    """Picture of a page: PNG with 144 dots per inch, alternative text for screen readers, and an optional caption."""

    png: bytes
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Clip:
    """Sound of a page with a player: ``(samples,)`` or ``(channels, samples)``, and its spectrogram as a PNG."""

    title: str
    audio: Tensor
    sample_rate: int
    png: bytes


@dataclass(frozen=True)
class Listening:
    """Group of sounds that are shown side by side under a heading and a note."""

    title: str
    note: str
    clips: Sequence[Clip]


@dataclass(frozen=True)
class Spot:
    """Area of a picture that plays a sound when it is clicked.

    Attributes:
        title: Name of the sound.
        audio: ``(samples,)`` or ``(channels, samples)``.
        sample_rate: Hz.
        area: Left, top, width and height, as fractions of the picture's width and height.
        listed: True: the area is a circle and has a button below the picture; False: it is a rectangle.
    """

    title: str
    audio: Tensor
    sample_rate: int
    area: tuple[float, float, float, float]
    listed: bool = False


@dataclass(frozen=True)
class SoundMap:
    """Picture with at least one clickable area; a later area lies on top of earlier ones."""

    picture: Picture
    spots: Sequence[Spot]


@dataclass(frozen=True)
class Points:
    """Bullet list of sentences."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Command:
    """Command line, shown as code."""

    text: str


Block = str | Points | Command | Table | Picture | SoundMap | Listening
"""Part of a section; a string is a paragraph."""


@dataclass(frozen=True)
class Section:
    """Section of a page, with an entry in the table of contents."""

    title: str
    blocks: Sequence[Block]


def render_page(title: str, sections: Sequence[Section], *, lead: Sequence[Block] = ()) -> str:
    """Return a self-contained HTML page.

    Tables and pictures are numbered. All text is escaped. A content security policy forbids every request, so the page
    works without a network.

    Args:
        title: Title of the page.
        sections: Sections in their order.
        lead: Blocks before the first section.

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
    """Return a share, 0…1, as text in percent; a dash for None.

    Example:
        >>> percent(0.876), percent(0.876, decimals=1), percent(None)
        ('88 %', '87.6 %', '–')
    """
    return "–" if share is None else f"{100 * share:.{decimals}f} %"


def markdown_rows(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table of cells.

    Example:
        >>> markdown_rows(("a", "b"), [("1", "2")]).splitlines()
        ['| a | b |', '| --- | --- |', '| 1 | 2 |']
    """
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown_table(table: Table, *, heading: str) -> str:
    """Return a table in Markdown: its title after ``heading``, such as ``##``, its note, its cells and its verdict."""
    parts = [f"{heading} {table.title}", table.note, markdown_rows(table.columns, table.rows)]
    return "\n\n".join([*parts, *([f"**{table.verdict}**"] if table.verdict else [])])


def png_uri(png: bytes) -> str:
    """Return a PNG as a ``data:`` URI.

    Example:
        >>> png_uri(b"picture")
        'data:image/png;base64,cGljdHVyZQ=='
    """
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def audio_uri(audio: Tensor, sample_rate: int, *, name: str = "sound") -> str:
    """Return a sound as a ``data:`` URI in 16-bit FLAC, which browsers play and which is about half as large as WAV.

    Args:
        audio: ``(samples,)`` or ``(channels, samples)``, −1…1; larger peaks are scaled down, and a warning is logged.
        sample_rate: Hz.
        name: Name of the sound in log lines; any text.

    Returns:
        The URI.

    Raises:
        InputError: If the sound is empty or not finite.

    Example:
        >>> import torch
        >>> audio_uri(torch.zeros(800), 16000).partition(";")[0]
        'data:audio/flac'
    """
    file = name.replace("/", "-") or "sound"  # in a path, the text before a slash would be a folder
    sound = encode_audio(f"{file}.flac", audio, sample_rate=sample_rate, format="pcm16")
    return f"data:audio/flac;base64,{base64.b64encode(sound).decode()}"


class _Writer:
    """Writer of blocks as HTML, which numbers the tables and pictures."""

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
    """Return a sentence as HTML with a no-break space between each number and its unit."""
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
    """Return a picture as HTML with clickable shapes on top that hold the sounds, and one player for all of them."""
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
    """Return width and height of a PNG, pixels."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _image(png: bytes, alt: str, *, scale: float = 1) -> str:
    width, height = (round(scale * value) for value in _size(png))
    return f'<img width="{width}" height="{height}" src="{png_uri(png)}" alt="{escape(alt)}">'


def is_number(cell: str) -> bool:
    """Return whether a cell is aligned as a number: it is a number with or without a unit, a dash, or empty.

    Example:
        >>> [is_number(cell) for cell in ("-3.1 dB", "–", "", "C4–B4")]
        [True, True, True, False]
    """
    return re.match(r"[+\-−±<>≤≥]?\s?\d|–$|$", cell) is not None


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
