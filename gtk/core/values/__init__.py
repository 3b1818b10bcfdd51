"""What flows through gtk, and what every wing needs; numpy only."""
