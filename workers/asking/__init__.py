"""A handful of answers or samples for somebody who waits for them: "Ask the model" and "Try the teacher".

An asking is one short job on the queue ``asking`` of the GPU workers. It is claimed, watched, cancelled and reported
like a stage of a round (``workers.attempts``), and leaves no artifact: its answers travel in its reports.
"""
