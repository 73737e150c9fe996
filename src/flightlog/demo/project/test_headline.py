"""What slugs promise. Runs under pytest and under `python -m unittest`."""

# ruff: noqa: PT009 - they have to run where there is no pytest

from __future__ import annotations

import unittest

from headline.slug import slugify  # type: ignore[import-not-found]  # found where the project is copied to


class Slugs(unittest.TestCase):
    def test_words_are_joined_by_dashes(self) -> None:
        self.assertEqual(slugify("Hello, World!"), "hello-world")

    def test_there_is_no_dash_at_the_ends(self) -> None:
        self.assertEqual(slugify("  ...and then?  "), "and-then")

    def test_accented_letters_keep_their_letter(self) -> None:
        self.assertEqual(slugify("Crème brûlée à la carte"), "creme-brulee-a-la-carte")

    def test_a_cut_leaves_no_dash_behind(self) -> None:
        self.assertEqual(slugify("one two three", length_max=8), "one-two")

    def test_a_short_title_stays_whole(self) -> None:
        self.assertEqual(slugify("News", length_max=8), "news")


if __name__ == "__main__":
    unittest.main()
