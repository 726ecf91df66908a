"""Which leaves are like a leaf or a text: by an embedding model where one is configured, by character n-grams else.

``ngrams`` and ``embeddings`` each make a vector of a text and an index that finds the nearest of many; ``vectors``
keeps the leaves' vectors (a worker's job); ``nearest`` is what pages ask.
"""
