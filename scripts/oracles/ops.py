"""Values and gradients of operators, printed tensors and indexing, as PyTorch 2.13 computes them.

Writes test/fixtures/ops/{values,printing,indexing}.json. Every case holds its inputs, so that the
test needs no Python. Run: python scripts/oracles/ops.py
"""

import base64
import json
import pathlib

import torch

FOLDER = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "ops"
FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
INTS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
WITH_GRADIENTS = [torch.float32, torch.float64]


def name_of(dtype):
    return str(dtype).removeprefix("torch.")


def encode(value):
    """A value as JSON: tensors as [dtype, shape, base64], whole floats marked."""
    if isinstance(value, torch.Tensor):
        plain = value.detach().clone().resolve_conj().resolve_neg().contiguous()
        data = plain.reshape(-1).view(torch.uint8).numpy().tobytes()
        return {"t": [name_of(value.dtype), list(value.shape), base64.b64encode(data).decode()]}
    if isinstance(value, torch.dtype):
        return name_of(value)
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return {"float": value}
    return value


class Input:
    """A random tensor of the case's dtype, uniform in [low, high)."""

    def __init__(self, *shape, low=-2.0, high=2.0, dtype=None, values=None):
        self.shape, self.low, self.high = shape, low, high
        self.dtype, self.values = dtype, values

    def make(self, dtype, generator):
        dtype = self.dtype or dtype
        if self.values is not None:
            return torch.tensor(self.values, dtype=dtype)
        if dtype == torch.complex64:
            return torch.view_as_complex(torch.randn(*self.shape, 2, generator=generator))
        if dtype == torch.bool:
            return torch.rand(self.shape, generator=generator) < 0.5
        if not dtype.is_floating_point:
            low = max(int(self.low) - 3, 1 if dtype == torch.uint8 else -5)
            high = int(self.high) + 5
            return torch.randint(low, high, self.shape, generator=generator, dtype=dtype)
        wide = torch.rand(self.shape, generator=generator, dtype=torch.float64)
        return (wide * (self.high - self.low) + self.low).to(dtype)


T = Input
CASES = []


def case(name, *args, dtypes=FLOATS, gradients=True, **options):
    CASES.append((name, args, options, dtypes, gradients))


def each(names, *args, **options):
    for name in names.split():
        case(name, *args, **options)


def mask(*values):
    return T(dtype=torch.bool, values=list(values))


def index(values):
    return T(dtype=torch.int64, values=values)


POSITIVE = dict(low=0.3, high=2.0)
INSIDE = dict(low=-0.9, high=0.9)
X = T(2, 3)

# Element by element, of one tensor.
each("abs neg square sin cos tanh sigmoid exp expm1 atan asinh relu silu mish softplus", X)
each("erf erfc sinh cosh sinc exp2 logit", T(2, 3, low=0.1, high=0.9))
each("log log2 log10 log1p sqrt rsqrt reciprocal lgamma digamma", T(2, 3, **POSITIVE))
each("acos asin atanh erfinv", T(2, 3, **INSIDE))
each("acosh", T(2, 3, low=1.2, high=3.0))
each("ceil floor round trunc frac sign sgn hardswish hardtanh hardsigmoid relu6 selu celu elu", X)
each("log_sigmoid leaky_relu softshrink hardshrink deg2rad rad2deg i0", X)
case("gelu", X)
case("gelu", X, approximate="tanh")
case("leaky_relu", X, 0.2)
case("elu", X, 0.5)
case("round", X, decimals=1)
case("nan_to_num", T(values=[float("nan"), float("inf"), 1.0]), 2.0, gradients=False)
each("abs neg square sgn", X, dtypes=INTS + [torch.complex64])
each("sin exp sqrt", T(2, 3, **POSITIVE), dtypes=[torch.int32, torch.complex64])
each("bitwise_not", X, dtypes=INTS + [torch.bool], gradients=False)
each("logical_not isnan isinf isfinite signbit", X, gradients=False)
each("real imag angle conj_physical", X, dtypes=[torch.complex64], gradients=False)

# Element by element, of two.
Y = T(2, 3)
each("add sub mul div maximum minimum atan2 hypot", X, Y)
each("fmod remainder copysign fmax fmin", X, T(2, 3, **POSITIVE))
each("add mul", X, T(3))
case("add", X, Y, alpha=2)
case("sub", X, 3, alpha=0.5)
each("add sub mul", X, 2, dtypes=FLOATS + INTS)
each("add mul", X, 1.5, dtypes=FLOATS + INTS)
each("add sub mul div", X, Y, dtypes=INTS + [torch.complex64])
case("div", X, T(2, 3, **POSITIVE), rounding_mode="floor")
case("div", X, 2.0, rounding_mode="trunc")
case("floor_divide", X, T(2, 3, **POSITIVE), gradients=False)
case("rsub", X, 1)
case("true_divide", X, T(2, 3, **POSITIVE))
each("pow", T(2, 3, **POSITIVE), Y)
case("pow", X, 3)
case("pow", X, 2, dtypes=INTS)
case("pow", 2.0, X)
case("xlogy", T(2, 3, **POSITIVE), T(2, 3, **POSITIVE))
case("logaddexp", X, Y)
case("logaddexp2", X, Y)
case("nextafter", X, Y, dtypes=[torch.float32, torch.float64], gradients=False)
each("eq ne lt le gt ge", X, Y, dtypes=FLOATS + INTS, gradients=False)
each("eq lt ge", X, 1, dtypes=FLOATS + INTS, gradients=False)
each("bitwise_and bitwise_or bitwise_xor", X, Y, dtypes=INTS + [torch.bool], gradients=False)
each("logical_and logical_or logical_xor", X, Y, gradients=False)
each("gcd lcm", X, Y, dtypes=[torch.int64, torch.int32], gradients=False)
case("bitwise_left_shift", X, 2, dtypes=[torch.int64, torch.int32], gradients=False)
case("lerp", X, Y, 0.25)
case("lerp", X, Y, T(2, 3, low=0, high=1))
case("addcmul", X, Y, T(2, 3), value=0.5)
case("addcdiv", X, Y, T(2, 3, **POSITIVE), value=2)
case("where", mask([True, False, True], [False, False, True]), X, Y)
case("where", mask([True, False, True], [False, False, True]), X, 0)
case("clamp", X, -1, 1)
case("clamp", X, None, 0.5)
case("clamp", X, T(3, low=-1.5, high=-0.5), T(3, low=0.5, high=1.5))
case("clamp_min", X, 0)
case("clamp_max", X, 0.5)
case("masked_fill", X, mask(True, False, True), 0.5)
case("masked_select", X, mask(True, False, True))
case("heaviside", X, T(2, 3), gradients=False)
case("isclose", X, Y, 0.5, 0.5, gradients=False)

# Reductions.
CUBE = T(2, 3, 4)
each("sum mean prod max min median", T(2, 3))
case("sum", CUBE, [0, 2])
case("sum", CUBE, 1, True)
case("sum", X, dtype=torch.float64)
each("sum prod max min", X, dtypes=INTS)
case("mean", CUBE, [1], True)
case("mean", CUBE, [-1], dtype=torch.float64)
case("prod", X, 1)
each("amax amin logsumexp", CUBE, [1])
each("max min median mode cummax cummin", CUBE, 1)
each("argmax argmin", CUBE, gradients=False)
each("argmax argmin", CUBE, 1, gradients=False)
each("std var", CUBE)
each("std var", CUBE, [0, 1])
case("var", CUBE, [1], correction=0, keepdim=True)
case("var_mean", CUBE, [1], correction=1)
case("std_mean", CUBE, [2])
each("any all", mask([True, False], [True, True]), gradients=False)
each("any all", X, 1, gradients=False)
case("norm", X)
case("norm", X, 2, [1])
case("linalg_vector_norm", CUBE, 3, [1], True)
case("linalg_norm", X)
each("cumsum cumprod logcumsumexp", CUBE, 1)
case("nansum", X)
case("count_nonzero", X, dtypes=FLOATS + INTS, gradients=False)
case("aminmax", X, dim=1, gradients=False)
case("nanmean", X)
case("quantile", X, 0.3, dtypes=[torch.float32, torch.float64])
case("kthvalue", CUBE, 2, 1)
case("topk", T(2, 6), 3)
case("sort", T(2, 5), 1, True)
case("argsort", T(2, 5), 1, gradients=False)
case("dist", X, Y, 2.0)
case("cdist", X, T(4, 3), dtypes=[torch.float32, torch.float64])
case("unique_consecutive", index([1, 1, 2, 3, 3]), gradients=False, dtypes=[torch.int64])
case("bincount", index([1, 1, 2, 5]), gradients=False, dtypes=[torch.int64])
case("histc", X, 4, -2, 2, gradients=False, dtypes=[torch.float32])
case("diff", CUBE)
case("trace", T(3, 3))

# Matrices.
each("matmul mm", T(2, 3), T(3, 4))
case("matmul", T(5, 2, 3), T(3, 4))
case("bmm", T(2, 2, 3), T(2, 3, 4))
case("mv", T(2, 3), T(3))
each("dot", T(4), T(4))
case("outer", T(2), T(3))
case("addmm", T(4), T(2, 3), T(3, 4), beta=0.5, alpha=2)
case("addmv", T(2), T(2, 3), T(3))
case("baddbmm", T(2, 2, 4), T(2, 2, 3), T(2, 3, 4))
case("linear", T(5, 3), T(4, 3), T(4))
case("linear", T(5, 3), T(4, 3))
case("kron", T(2, 2), T(1, 3))
case("cross", T(2, 3), T(2, 3), 1)
case("einsum", "ij,jk->ik", [T(2, 3), T(3, 4)])
case("linalg_multi_dot", [T(2, 3), T(3, 4), T(4, 2)])
case("tensordot", T(2, 3, 4), T(3, 4, 2), [1, 2], [0, 1])
EXACT = [torch.float32, torch.float64]
case("linalg_inv", T(values=[[2.0, 0.5], [0.3, 1.5]]), dtypes=EXACT)
case("linalg_det", T(values=[[2.0, 0.5], [0.3, 1.5]]), dtypes=EXACT)
case("linalg_cholesky", T(values=[[2.0, 0.5], [0.5, 1.5]]), dtypes=EXACT)
case("linalg_solve", T(values=[[2.0, 0.5], [0.3, 1.5]]), T(2, 2), dtypes=EXACT)
case("linalg_slogdet", T(values=[[2.0, 0.5], [0.3, 1.5]]), dtypes=EXACT)
case("linalg_eigvalsh", T(values=[[2.0, 0.5], [0.5, 1.5]]), dtypes=EXACT)
case("linalg_svdvals", T(values=[[2.0, 0.5], [0.3, 1.5]]), dtypes=EXACT)
case("linalg_matrix_power", T(3, 3), 3, dtypes=EXACT)
case("matrix_exp", T(3, 3), dtypes=EXACT)
case("tril", T(3, 4), 1)
case("triu", T(3, 4))
case("diag", T(3))
case("diagonal", T(3, 4), 1)
case("diag_embed", T(2, 3))
case("vander", T(3), 3, gradients=False)

# Shape, joining and picking.
ALL = FLOATS + INTS + [torch.bool, torch.complex64]
case("reshape", CUBE, [4, -1], dtypes=ALL)
case("view", CUBE, [6, 4], dtypes=ALL)
case("permute", CUBE, [2, 0, 1], dtypes=ALL)
case("transpose", CUBE, 0, -1, dtypes=ALL)
case("t", X)
case("squeeze", T(2, 1, 3))
case("squeeze", T(2, 1, 3), 1)
case("unsqueeze", X, -1)
case("flatten", CUBE, 1)
case("unflatten", T(2, 6), 1, [2, 3])
case("expand", T(1, 3), [4, -1])
case("repeat", X, [2, 2])
case("tile", X, [2])
case("repeat_interleave", X, 2, 1)
case("movedim", CUBE, [0], [2])
case("flip", CUBE, [0, 2], dtypes=ALL)
case("fliplr", X)
case("roll", X, [1], [1])
case("rot90", X)
case("narrow", CUBE, 1, 1, 2)
case("select", CUBE, 1, -1)
case("slice", CUBE, 2, 0, 4, 2)
case("unfold", T(7), 0, 3, 2)
case("as_strided", T(6), [2, 2], [2, 1])
case("contiguous", X)
case("clone", X, dtypes=ALL)
case("cat", [X, T(1, 3)], dtypes=ALL)
case("cat", [X, T(2, 1)], 1)
case("stack", [X, Y], -1)
case("hstack", [X, Y])
case("vstack", [X, Y])
case("split", T(5, 2), 2)
case("split", T(5, 2), [1, 4])
case("chunk", T(5, 2), 2)
case("tensor_split", T(5, 2), 3)
case("unbind", X, 1)
case("meshgrid", [T(2), T(3)], indexing="ij")
case("cartesian_prod", [T(2), T(3)])
case("broadcast_tensors", [T(1, 3), T(2, 1)])
case("index_select", X, 1, index([2, 0]))
case("gather", X, 1, index([[0, 2], [1, 1]]))
case("take", X, index([0, 5]))
case("take_along_dim", X, index([[0, 2], [1, 1]]), 1)
case("scatter", X, 1, index([[0], [2]]), T(2, 1))
case("scatter", X, 1, index([[0], [2]]), 0.5)
case("scatter_add", X, 1, index([[0, 0], [2, 2]]), T(2, 2))
case("index_add", X, 0, index([1]), T(1, 3))
case("index_copy", X, 0, index([1]), T(1, 3))
case("index_fill", X, 1, index([0]), 3.5)
case("index", X, [None, index([0, 2])])
case("index_put", X, [index([0, 1])], T(2, 3))
case("nonzero", mask([True, False], [True, True]), gradients=False, dtypes=[torch.bool])
case("searchsorted", T(values=[1.0, 2.0, 4.0]), T(values=[0.5, 2.0, 9.0]), gradients=False)
case("bucketize", T(values=[0.5, 2.0]), T(values=[1.0, 2.0]), gradients=False)
case("isin", index([1, 2, 3]), index([2]), gradients=False, dtypes=[torch.int64])
case("one_hot", index([0, 2]), 4, gradients=False, dtypes=[torch.int64])
case("embedding", T(5, 3), index([[0, 4], [1, 1]]))
case("constant_pad_nd", X, [1, 2], 0.5)
case("pad", T(1, 2, 3), [1, 1], "reflect", dtypes=EXACT)
case("to", X, dtype=torch.float64)
case("to", X, dtype=torch.int32, gradients=False)
case("zeros_like", X, gradients=False, dtypes=ALL)
case("ones_like", X, gradients=False, dtypes=ALL)
case("full_like", X, 2, gradients=False, dtypes=ALL)
case("new_zeros", X, [2], gradients=False)
case("view_as_real", X, dtypes=[torch.complex64], gradients=False)
case("view_as_complex", T(3, 2), dtypes=[torch.float32], gradients=False)

# Layers and losses.
each("softmax log_softmax", CUBE, -1)
case("softmax", CUBE, 1, torch.float64)
case("layer_norm", T(2, 4), [4], T(4), T(4))
case("rms_norm", T(2, 4), [4], T(4))
case("group_norm", T(2, 4, 3), 2, T(4), T(4))
case("batch_norm", T(3, 2), T(2), T(2), None, None, True, 0.1, 1e-5, False)
case("conv1d", T(1, 2, 6), T(3, 2, 3), T(3))
case("conv2d", T(1, 2, 5, 5), T(4, 1, 3, 3), T(4), stride=[2, 2], padding=[1, 1], groups=2)
case("conv2d", T(1, 2, 5, 5), T(4, 2, 3, 3), padding="same")
case("conv3d", T(1, 1, 3, 3, 3), T(2, 1, 2, 2, 2))
case("conv_transpose2d", T(1, 2, 3, 3), T(2, 3, 2, 2), None, [2, 2])
case("max_pool2d", T(1, 2, 4, 4), 2)
case("max_pool1d", T(1, 2, 6), 3, 2)
case("avg_pool2d", T(1, 2, 4, 4), [2, 2], 1)
case("adaptive_avg_pool2d", T(1, 2, 5, 5), [2, 2])
case("upsample_bilinear2d", T(1, 1, 2, 2), [4, 4], False)
case("upsample_bicubic2d", T(1, 1, 3, 3), [5, 5], True, dtypes=EXACT)
case("upsample_nearest2d", T(1, 1, 2, 2), [4, 4])
case("pixel_shuffle", T(1, 4, 2, 2), 2)
case("grid_sampler", T(1, 1, 3, 3), T(1, 2, 2, 2, **INSIDE), 0, 0, False, dtypes=EXACT)
case("scaled_dot_product_attention", T(1, 2, 3, 4), T(1, 2, 3, 4), T(1, 2, 3, 4), dtypes=EXACT)
case("glu", T(2, 4), 1)
case("prelu", X, T(1, low=0.1, high=0.5))
case("threshold", X, 0.1, 0.0)
case("mse_loss", X, Y)
case("l1_loss", X, Y, 2)
case("smooth_l1_loss", X, Y)
case("huber_loss", X, Y)
case("binary_cross_entropy", T(2, 3, low=0.1, high=0.9), T(2, 3, low=0.1, high=0.9))
case("binary_cross_entropy_with_logits", X, T(2, 3, low=0, high=1))
case("cross_entropy_loss", X, index([2, 0]), label_smoothing=0.1)
case("nll_loss", X, index([2, 0]))
case("kl_div", X, T(2, 3, low=0.1, high=0.9))
case("cosine_similarity", X, Y)
case("pairwise_distance", X, Y)
case("im2col", T(1, 1, 4, 4), [2, 2], [1, 1], [0, 0], [2, 2])

# Makers and in-place variants, which have no gradients to compare.
PLAIN = dict(gradients=False, dtypes=[torch.float32])
case("arange", 1, 7, 2, dtype=torch.float32, **PLAIN)
case("linspace", 0.0, 1.0, 5, **PLAIN)
case("logspace", 0.0, 2.0, 3, **PLAIN)
case("eye", 3, dtype=torch.int64, **PLAIN)
case("full", [2, 2], 7, **PLAIN)
case("zeros", [2], dtype=torch.bool, **PLAIN)
case("ones", [2], dtype=torch.complex64, **PLAIN)
case("tril_indices", 3, 3, **PLAIN)
case("hann_window", 5, **PLAIN)
case("scalar_tensor", 2.5, **PLAIN)
each("add_ mul_ sub_", X, 2, gradients=False, dtypes=FLOATS + INTS)
each("relu_ abs_ neg_ zero_", X, gradients=False)
case("fill_", X, 3, gradients=False, dtypes=ALL)
case("copy_", X, Y, gradients=False)
case("clamp_", X, -0.5, 0.5, gradients=False)
case("masked_fill_", X, mask(True, False, True), 1, gradients=False)
case("index_put_", X, [index([1])], T(1, 3), gradients=False)
case("fft_rfft", T(8), gradients=False, dtypes=[torch.float32])
case("fft_fft", T(4), gradients=False, dtypes=[torch.complex64])
case("_softmax", X, 1, False, gradients=False)


def build(arg, dtype, generator):
    if isinstance(arg, Input):
        return arg.make(dtype, generator)
    return [build(item, dtype, generator) for item in arg] if isinstance(arg, list) else arg


def tensors_in(values):
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from tensors_in(value)


def evaluate(name, args, options, dtype, gradients, generator):
    """One case as JSON."""
    values = [build(arg, dtype, generator) for arg in args]
    given = encode(values)
    for tensor in tensors_in(values):
        wanted = gradients and dtype in WITH_GRADIENTS and tensor.is_floating_point()
        tensor.requires_grad_(wanted)
    result = getattr(torch.ops.aten, name)(*values, **options)
    results = result if isinstance(result, (list, tuple)) else [result]
    record = {
        "op": name,
        "dtype": name_of(dtype),
        "args": given,
        "options": {key: encode(value) for key, value in options.items()},
        "results": encode(list(results)),
    }
    roots = [tensor for tensor in tensors_in(results) if tensor.requires_grad]
    if roots and gradients:
        seeds = [torch.rand(r.shape, generator=generator, dtype=r.dtype) for r in roots]
        torch.autograd.backward(roots, seeds)
        record["seeds"] = encode(seeds)
        leaves = [tensor for tensor in tensors_in(values) if tensor.requires_grad]
        record["gradients"] = [None if x.grad is None else encode(x.grad) for x in leaves]
    return record


def values():
    generator = torch.Generator().manual_seed(0)
    records = []
    for name, args, options, dtypes, gradients in CASES:
        for dtype in dtypes:
            records.append(evaluate(name, args, options, dtype, gradients, generator))
    names = {record["op"] for record in records}
    print(f"{len(records)} cases of {len(names)} operators")
    return records


PRINTED = """
torch.tensor(1.)
torch.tensor(3)
torch.tensor(True)
torch.tensor([1., 2.])
torch.tensor([[1., 2.], [3., 4.]])
torch.tensor([1.5, 2.25, -3.125])
torch.tensor([0.03125, 0.09375, 1.0])
torch.tensor([0.5, 1e-5])
torch.tensor([1e10, 1.0])
torch.tensor([1.00005e9, 2.0])
torch.tensor([1000.5, 0.25])
torch.tensor([1001.0, 1.0])
torch.tensor([123456., 2.])
torch.tensor([float('nan'), float('inf'), -float('inf'), 1.])
torch.tensor([float('nan'), float('inf'), 0.5])
torch.tensor([float('inf')])
torch.tensor([0., -0.])
torch.tensor([-0.00001, 1.])
torch.tensor([1, -20, 300])
torch.tensor([[1, 2], [30, 4]], dtype=torch.int32)
torch.tensor([2**62, -1])
torch.tensor([1, 2], dtype=torch.uint8)
torch.tensor([1, 2], dtype=torch.int8)
torch.tensor([1, 2], dtype=torch.int16)
torch.tensor([True, False])
torch.tensor([0.1, 0.2], dtype=torch.float64)
torch.tensor([0.1, 0.2], dtype=torch.float16)
torch.tensor([0.1, 100.7], dtype=torch.bfloat16)
torch.tensor([1 + 2j, 3 - 4j])
torch.tensor([0.5 + 1.25j, -3e-5 - 4j])
torch.tensor(2 - 1j)
torch.tensor([])
torch.zeros(0, 3)
torch.zeros(2, 0, dtype=torch.int32)
torch.zeros(0, dtype=torch.int64)
torch.arange(24.).reshape(2, 3, 4)
torch.arange(48.).reshape(2, 2, 3, 4) / 7
torch.arange(30.)
torch.arange(30.) / 3
torch.arange(40).reshape(2, 20)
torch.arange(1001.)
torch.arange(1000)
torch.arange(2000).reshape(40, 50)
torch.arange(2000.).reshape(2, 1000) / 9
torch.arange(4096.).reshape(16, 16, 16)
torch.arange(1200).reshape(1200, 1) % 2 == 0
torch.arange(5000.).reshape(10, 2, 250) * 1e-6
torch.arange(1500.).reshape(3, 500).to(torch.complex64)
torch.ones(2, 3, requires_grad=True)
torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
torch.ones(2, requires_grad=True) + 1
(torch.ones(2, 2, requires_grad=True) @ torch.ones(2, 2)).relu()
torch.ones(2, requires_grad=True).sum()
torch.ones(30, dtype=torch.float64, requires_grad=True) * 2
torch.ones(2, 3, device='meta')
torch.ones(2, device='meta', dtype=torch.float16)
torch.full((3, 3), 1e-8)
torch.tensor([[1e3, 1e-3], [1., 0.]])
torch.tensor([99999.5, 100.25])
torch.tensor([0.00012345, 0.00054321])
torch.tensor([0.0625]) ** torch.arange(6.)
""".strip()


def printing():
    records = []
    for source in PRINTED.splitlines():
        value = eval(source)
        record = {"source": source, "text": repr(value)}
        if not value.is_meta and value.grad_fn is None:
            record["tensor"] = encode(value)
            record["requiresGrad"] = value.requires_grad
        records.append(record)
    return records


INDEXINGS = """
0
-1
1, 2
1, 2, -1
:
1:
:, 1:3
:, ::2
:, -2:
:, 0:99
..., 0
..., None
None
None, 1, ..., 2:, None
:, None, 1
0, ..., ::3
[0, 1, 1]
:, [2, 0]
:, :, [3, 0, 0]
[1, 0], [2, 1]
[1, 0], :, [3, 1]
0, [2, 1]
True
False
mask
..., index
row, [2]
mask, None
""".strip()


def indexing():
    base = torch.arange(24).reshape(2, 3, 4)
    names = {
        "mask": base % 5 == 0,
        "index": torch.tensor([[0, 3], [1, 1]]),
        "row": torch.tensor([True, False]),
    }
    records = []
    for source in INDEXINGS.splitlines():
        key = eval(f"KEY[{source}]", {"KEY": Key(), **names})
        key = key if isinstance(key, tuple) else (key,)
        assigned = base.clone()
        assigned[key] = -1
        records.append(
            {
                "source": source,
                "key": [encode_index(part) for part in key],
                "result": encode(base[key]),
                "assigned": encode(assigned),
            }
        )
    return {"base": encode(base), "cases": records}


class Key:
    def __getitem__(self, key):
        return key


def encode_index(part):
    if part is Ellipsis:
        return "..."
    if isinstance(part, slice):
        return {"slice": [part.start, part.stop, part.step or 1]}
    return encode(part) if isinstance(part, torch.Tensor) else part


def main():
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, records in (("values", values()), ("printing", printing()), ("indexing", indexing())):
        items = records["cases"] if isinstance(records, dict) else records
        lines = ",\n".join(json.dumps(record, separators=(",", ":")) for record in items)
        if isinstance(records, dict):
            text = f'{{"base":{json.dumps(records["base"])},"cases":[\n{lines}\n]}}\n'
        else:
            text = f"[\n{lines}\n]\n"
        (FOLDER / f"{name}.json").write_text(text)


if __name__ == "__main__":
    main()
