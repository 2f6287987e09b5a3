"""Pure arithmetic on evidence; nothing here reads the world."""
