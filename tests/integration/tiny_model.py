"""A tiny Llama with random weights and a tokenizer of ASCII characters, in a folder; nothing is fetched.

Run as a program of its own: ``python tiny_model.py FOLDER``. Its imports go by name, since torch and
transformers are not among the project's dependencies.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def write_model(folder: Path) -> None:
    """Config, weights and tokenizer, as ``from_pretrained`` wants them; 98 tokens, 2 layers, seed 0.

    It draws its answers at a temperature above 0: the server goes by ``do_sample`` of the model.
    """
    tokenizers, transformers = import_module("tokenizers"), import_module("transformers")
    bytes_ = tokenizers.pre_tokenizers.ByteLevel
    space, line_end = "\u0120", "\u010a"  # as a byte-level tokenizer writes them
    tokens = ["<s>", "</s>", space, line_end, *map(chr, range(33, 127))]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = bytes_(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", chat_template=TEMPLATE
    ).save_pretrained(folder)
    config = transformers.LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=0,
        eos_token_id=1,
    )
    import_module("torch").manual_seed(0)
    model = transformers.LlamaForCausalLM(config)
    model.generation_config.do_sample = True
    model.save_pretrained(folder)


if __name__ == "__main__":
    write_model(Path(sys.argv[1]))
