"""How many credits there can be."""

MOST_CREDITS = 10**15
"""What opening, grant or import may bring a balance to. Refunds go beyond it and always fit: what is charged at a time
is some thousands of credits, the column holds nine thousand times as much; JSON's numbers are exact to nine times."""
