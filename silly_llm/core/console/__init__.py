"""The console: streams, signals."""
