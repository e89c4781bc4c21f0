"""What travels and what is stored: frozen msgspec Structs. Imports nothing else of Crucible."""
