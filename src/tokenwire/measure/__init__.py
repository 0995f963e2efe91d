"""What tokens cost: the wire of a stream taken apart, times and sizes, what they add up to, and the runs themselves."""
