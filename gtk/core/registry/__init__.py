"""Which plugins there are, what they say of themselves, their options; never imports torch."""
