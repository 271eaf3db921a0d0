"""The most that this machine's cores can do in double precision: what shares are shares of.

Two numbers are measured. NumPy's matrix product runs in a process of its own, in which BLAS chooses its
kernel for the processor: OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE, which would choose for it, are unset
together, and it has as many threads as there are cores. Beside it stands what the clock and the vector units
allow: chains of fused multiply-adds that stay in registers, on every core. The larger of the two is the peak.

On a shared machine both change from second to second. So `Peak.now` is called before and after what is
measured, and a share is taken of the larger of these two.
"""
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from circuit.blas import VARIABLES

from . import harness

FORCED = "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"
"""Variables that overrule BLAS's choice of kernel."""

SIZES = (1024, 2048)
"""Rows of the matrices that are multiplied at first; afterwards, of the size that was fastest."""

CHAINS = ((2, 8), (4, 8), (4, 12), (8, 8), (8, 12))
"""(numbers in a register, registers): a unit takes about 4 cycles for a multiply-add and starts one or two a
cycle, so eight independent chains keep all units busy. Registers of 2, 4 and 8 numbers have 128, 256 and 512
bits; where the processor has shorter ones, the compiler takes two for one."""

SECONDS = 0.03
"""How long one measurement of multiply-adds takes at least."""


# the matrix product, in a process of its own ----------------------------------------------------------------

def blas_kernel():
    """The name of the kernel that NumPy's BLAS has chosen: by threadpoolctl, or by NumPy's configuration."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        threads = []
    else:
        threads = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    for pool in threads:
        if "numpy" in pool.get("filepath", "").lower() or len(threads) == 1:
            return f"{pool['internal_api']} {pool.get('version')}, {pool.get('architecture', 'unknown')}"
    try:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}, kernel unknown"
    except (TypeError, KeyError):
        return "unknown"


def product_gflops(size, repeats=2):
    """GFLOP/s of NumPy's product of two square matrices, the best of some repetitions."""
    a, b, out = (np.random.default_rng(k).normal(size=(size, size)) for k in range(3))
    return 2e-9 * size ** 3 / harness.seconds(lambda: np.matmul(a, b, out=out), repeats)[0]


def serve():
    """Answer every line of stdin, a size of matrices and a number of repetitions, by the GFLOP/s reached."""
    print(json.dumps(blas_kernel()), flush=True)
    for line in sys.stdin:
        print(product_gflops(*map(int, line.split())), flush=True)


class Product:
    """The process that multiplies matrices, from `with Product(cores)` to its end.

    kernel   the name of BLAS's kernel
    """

    def __init__(self, cores):
        self.environment = {name: value for name, value in os.environ.items() if name not in FORCED}
        self.environment.update((name, str(cores)) for name in VARIABLES)

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", "from benchmarks import peak; peak.serve()"],
                                        env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.kernel = json.loads(self.process.stdout.readline())
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def gflops(self, size, repeats):
        self.process.stdin.write(f"{size} {repeats}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


# multiply-adds in registers ---------------------------------------------------------------------------------

@lru_cache(maxsize=None)
def multiply_adds(width, chains):
    """A compiled function (times, x, y) -> float: `chains` vectors of `width` numbers, all replaced `times`
    times by themselves times x plus y; the sum of all numbers. Chain i starts at i y."""
    @intrinsic
    def loop(context, times, x, y):
        return numba.float64(numba.int64, numba.float64, numba.float64), emit

    def emit(context, builder, signature, arguments):
        number, vector = ir.DoubleType(), ir.VectorType(ir.DoubleType(), width)
        index = ir.IntType(32)
        fma = ir.Function(builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{width}f64")
        undefined, places = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(index, width),
                                                                           [0] * width)

        def spread(x):
            return builder.shuffle_vector(builder.insert_element(undefined, x, index(0)), undefined, places)
        times, x, y = arguments
        factor, summand = spread(x), spread(y)
        starts = [spread(builder.fmul(y, number(float(i)))) for i in range(chains)]
        before, body, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(body)
        builder.position_at_end(body)
        count, values = builder.phi(times.type), [builder.phi(vector) for _ in range(chains)]
        moved = [builder.call(fma, (value, factor, summand)) for value in values]
        counted = builder.add(count, times.type(1))
        for phi, first, then in zip([count, *values], [times.type(0), *starts], [counted, *moved]):
            phi.add_incoming(first, before)
            phi.add_incoming(then, body)
        builder.cbranch(builder.icmp_signed("<", counted, times), body, after)
        builder.position_at_end(after)
        total = number(0.0)
        for value in moved:
            for lane in range(width):
                total = builder.fadd(total, builder.extract_element(value, index(lane)))
        return total

    @numba.njit(nogil=True)
    def run(times, x, y):
        return loop(times, x, y)
    return run


def multiply_add_gflops(width, chains, cores, repeats=2):
    """GFLOP/s of multiply-adds that stay in registers, on all cores, the best of some repetitions."""
    run, times, took = multiply_adds(width, chains), 100_000, 0.0
    run(1, 0.999, 0.001)      # compiles
    with ThreadPoolExecutor(cores) as pool:
        def together():
            start = time.perf_counter()
            list(pool.map(lambda core: run(times, 0.999, 0.001), range(cores)))
            return time.perf_counter() - start
        while (took := together()) < SECONDS:
            times *= 2
        best = min([took] + [together() for _ in range(repeats - 1)])
    return 2e-9 * width * chains * times * cores / best


# both -------------------------------------------------------------------------------------------------------

class Peak:
    """The peak of all cores, from `with Peak(cores)` to its end.

    product, multiply_add   the highest GFLOP/s of each so far;   kernel: of BLAS
    """

    def __init__(self, cores):
        self.cores, self.process = cores, Product(cores)

    def __enter__(self):
        self.process.__enter__()
        self.kernel = self.process.kernel
        rates = {size: self.process.gflops(size, 2) for size in SIZES}
        self.size, self.product = max(rates, key=rates.get), max(rates.values())
        self.multiply_add, self.chains = 0.0, CHAINS[0]
        if not numba.config.DISABLE_JIT:
            rates = {chains: multiply_add_gflops(*chains, self.cores) for chains in CHAINS}
            self.chains, self.multiply_add = max(rates, key=rates.get), max(rates.values())
        return self

    def __exit__(self, *error):
        self.process.__exit__(*error)

    @property
    def gflops(self):
        """The highest so far."""
        return max(self.product, self.multiply_add)

    def now(self):
        """GFLOP/s of the larger of the two at this moment."""
        product, other = self.process.gflops(self.size, 1), 0.0
        if not numba.config.DISABLE_JIT:
            other = multiply_add_gflops(*self.chains, self.cores, 1)
        self.product, self.multiply_add = max(self.product, product), max(self.multiply_add, other)
        return max(product, other)

    def of_one_core(self):
        """GFLOP/s of multiply-adds on one core at this moment; of the product on all where there are none."""
        if numba.config.DISABLE_JIT:
            return self.now() / self.cores
        return multiply_add_gflops(*self.chains, 1, 1)

    def shares(self, calls, one_core=False):
        """Shares of the peak that calls returning GFLOP/s reach, in order: each of the larger of the peaks
        measured right before and after it.   one_core: for calls that use one core, of that core's peak"""
        now = self.of_one_core if one_core else self.now
        before, result = now(), []
        for call in calls:
            rate, after = call(), now()
            result.append(rate / max(before, after))
            before = after
        return result

    def describe(self):
        """Both numbers, and which is the peak, in words."""
        width, chains = self.chains
        return (f"matrix product: {self.product:.1f} GFLOP/s (NumPy, {self.size} rows, {self.kernel}, "
                f"{self.cores} threads)\nmultiply-adds in registers: {self.multiply_add:.1f} GFLOP/s "
                f"({chains} chains of {width} numbers on each of {self.cores} cores)\n"
                f"peak: {self.gflops:.1f} GFLOP/s, the larger of the two")
