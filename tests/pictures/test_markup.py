"""Names that somebody else chose, on a page."""

from gtk.pictures.markup import LONGEST, escaped, isolated, table


def test_markup_means_itself() -> None:
    name = "<script>alert(1)</script>\"'&"
    for text in (escaped(name), isolated(name), table([name], [[name]], label=name)):
        assert "<script" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;" in text


def test_a_long_name_is_cut() -> None:
    assert len(isolated("x" * 10_000)) < LONGEST + 20


def test_a_table_says_which_cells_are_headings_and_numbers() -> None:
    text = table(["term", "run"], [["loss", "1.5"], ["kl", None]], label="figures", numbers=1)
    assert '<th scope="col">' in text
    assert '<th scope="row"><bdi>loss</bdi></th><td class="number"><bdi>1.5</bdi></td>' in text
    assert '<td class="number"></td>' in text
