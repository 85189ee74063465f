"""llama.cpp's convert_hf_to_gguf.py for the bench's checkpoints.

    python3 bench/llama_convert.py LLAMA_CPP ARGUMENT...

Their vocabulary is a small one of our own, which the converter's list of known ones lacks; the rest
is its own work. MTP heads, which our checkpoints lack as well, must be left out (--no-mtp).
"""
import runpy
import sys

folder = sys.argv[1]
sys.path.insert(0, folder)
from conversion.base import TextModel

TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen35"
script = folder + "/convert_hf_to_gguf.py"
sys.argv = [script, *sys.argv[2:]]
runpy.run_path(script, run_name="__main__")
