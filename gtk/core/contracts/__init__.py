"""What a plugin's author writes against: Model, Conditioner, Loss, and what they are handed."""
