"""Any script in a name: each character in a font that has it, in reading order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reportlab.pdfgen.canvas import Canvas

from billing.rendering.services.fonts import (
    CHINESE,
    FONTS_DIRECTORY,
    KOREAN,
    REGULAR,
    SYMBOLS,
    UNKNOWN,
    Style,
    _font_for,
    _runs,
    base_font,
    clean,
    draw,
    joined,
    width_of,
    wrapped,
)
from tests.billing.rendering.services.reading import fonts, pictures, texts

STYLE = Style(24)
NAMES = {
    REGULAR: "Žižkov Ђорђе Ελλάς Nguyễn €",
    CHINESE: "株式会社日本電機中国",
    KOREAN: "한국전력공사",
    SYMBOLS: "✓→",
    "NotoSansArabic-Regular": "شركة",
    "NotoSansHebrew-Regular": "חברה",
    "NotoSansDevanagari-Regular": "कंपनी",
    "NotoSansBengali-Regular": "কোম্পানি",
    "NotoSansGurmukhi-Regular": "ਕੰਪਨੀ",
    "NotoSansGujarati-Regular": "કંપની",
    "NotoSansOriya-Regular": "କମ୍ପାନୀ",
    "NotoSansTamil-Regular": "நிறுவனம்",
    "NotoSansTelugu-Regular": "కంపెనీ",
    "NotoSansKannada-Regular": "ಕಂಪನಿ",
    "NotoSansMalayalam-Regular": "കമ്പനി",
    "NotoSansSinhala-Regular": "සමාගම",
    "NotoSansThai-Regular": "บริษัท",
    "NotoSansLao-Regular": "ບໍລິສັດ",
    "NotoSansMyanmar-Regular": "ကုမ္ပဏီ",
    "NotoSansGeorgian-Regular": "კომპანია",
    "NotoSansArmenian-Regular": "ընկերություն",
    "NotoSansEthiopic-Regular": "ኩባንያ",
    "NotoSansKhmer-Regular": "ក្រុមហ៊ុន",
}


def drawn(text: str) -> bytes:
    canvas = Canvas("none.pdf", invariant=1, initialFontName=base_font())
    draw(canvas, 20, 700, clean(text), STYLE)
    data: bytes = canvas.getpdfdata()
    return data


@pytest.mark.parametrize(("font", "name"), NAMES.items())
def test_every_script_is_written_in_a_font_that_has_it(font: str, name: str) -> None:
    runs = [run for run in _runs(name, STYLE) if run.text.strip()]
    assert {run.font for run in runs} == {font}
    assert all(_font_for(character, REGULAR)[1] == character for character in name)
    assert width_of(name, STYLE) > 10
    pdf = drawn(name)
    assert all(fonts(pdf).values())
    [picture] = pictures(pdf)
    assert min(picture.tobytes()) < 128


def test_each_font_that_is_kept_is_used() -> None:
    assert {path.stem for path in FONTS_DIRECTORY.glob("*.ttf")} == {*NAMES, "NotoSans-Bold"}


def test_arabic_letters_join_and_hindi_vowels_move() -> None:
    apart = sum(width_of(letter, STYLE) for letter in "شركة")
    assert width_of("شركة", STYLE) < apart
    assert width_of("कि", STYLE) != width_of("क", STYLE)


def test_a_character_without_a_font_is_shown_as_unknown_and_an_invisible_one_left_out() -> None:
    assert _font_for("\U0001f680", REGULAR) == (REGULAR, UNKNOWN)
    assert _font_for("\u2060", REGULAR)[1] in {"", "\u2060"}
    assert width_of("\U000e0041", STYLE) == 0


def test_text_of_ordinary_scripts_can_be_copied() -> None:
    for text in ("Jäger & Söhne", "株式会社日本", "Ђорђе", "한국전력공사"):
        assert text in texts(drawn(text))[0]


def test_brackets_in_hebrew_open_at_the_right() -> None:
    assert [run.text for run in _runs("(א)", STYLE)] == ["(", "א", ")"]
    assert [run.text for run in _runs("א(ב)", STYLE)] == ["(", "ב", ")", "א"]


def test_a_text_is_normalized_and_in_one_line() -> None:
    assert clean("Ja\u0308ger\n &\tSo\u0308hne\x00") == "Jäger & Söhne"


def test_lines_are_cut_at_spaces_between_ideographs_and_else_anywhere() -> None:
    assert wrapped("one two three", STYLE, width_of("one two", STYLE)) == ["one two", "three"]
    assert "".join(wrapped("株式会社日本電機", STYLE, 40)) == "株式会社日本電機"
    assert all(width_of(line, STYLE) <= 40 for line in wrapped("株式会社日本電機", STYLE, 40))
    pieces = wrapped("x" * 100 + " y", STYLE, 60)
    assert "".join(pieces) == "x" * 100 + " y"
    assert all(width_of(line, STYLE) <= 60 for line in pieces)
    assert wrapped("", STYLE, 60) == []
    assert wrapped("a", STYLE, 0.1) == ["a"]


def test_a_number_is_broken_after_a_comma_and_only_if_it_must_be() -> None:
    number = "123,456,789.5"
    assert wrapped(f"from {number}", STYLE, width_of(number, STYLE)) == ["from", number]
    assert wrapped(number, STYLE, width_of("456,789.5", STYLE)) == ["123,456,", "789.5"]


def test_a_number_and_its_unit_stay_together_in_a_line() -> None:
    parts = ["Acme", "+49 30 12 34", "x" * 30]
    width = width_of("Acme +49", STYLE)
    assert joined(parts[:2], " · ", STYLE, width * 3) == ["Acme · +49 30 12 34"]
    assert joined(parts[:2], " · ", STYLE, width_of("+49 30 12 34", STYLE)) == ["Acme", "+49 30 12 34"]
    assert "".join(joined(parts[2:], " · ", STYLE, width)) == parts[2]
    assert len(joined(parts[2:], " · ", STYLE, width)) > 1


@given(st.text(st.characters(), max_size=20))
def test_any_text_can_be_rendered(text: str) -> None:
    fonts_of_pdf = fonts(drawn(text))
    assert all(fonts_of_pdf.values())
    lines = wrapped(text, STYLE, 80)
    assert "".join("".join(lines).split()) == "".join(clean(text).split())


@pytest.mark.parametrize(
    "text",
    [
        "\u0301",
        "\u200f\u200e",
        "\u0e31",
        "\u094d",
        "\ue000",
        "\u202eabc",
        "a\u0600",
        "\u0627\u200d",
        "\U0001f468\u200d\U0001f469",
    ],
)
def test_lone_marks_joiners_and_private_characters_are_drawn(text: str) -> None:
    assert all(fonts(drawn(f"{text}x{text}")).values())
