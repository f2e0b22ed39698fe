"""The knowledge base: logic programs, read as package data."""
