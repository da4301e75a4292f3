// Nothing: what c10d's fake group includes of PyTorch for Python, and does not use.
#pragma once
