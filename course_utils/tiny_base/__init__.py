"""How the embedded model `tiny` was made: corpus, tokenizer, pretraining, evaluation. One command: `make base`."""
