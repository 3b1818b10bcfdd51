"""The data that flows through gtk, and helpers that all of it uses; numpy only."""
