"""Raises what is no Exception as it is imported."""


class Escape(BaseException):
    pass


raise Escape("over the wall")
