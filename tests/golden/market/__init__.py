"""What market.py knows of the wire and of the events: see README.md one directory up."""
