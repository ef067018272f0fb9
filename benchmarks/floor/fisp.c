/* The least time a CPU core needs for FISP fingerprinting by extended phase graphs: nothing but the recursion.

   All pulses have phase 0, so every order is a real number (up to a common factor of i). One block of voxels stays in
   the first-level cache for the whole train; the compiler turns the loops over its voxels into vector instructions. */

#include <math.h>
#include <stddef.h>
#include <string.h>

#define BLOCK 64 /* voxels; three rows of 20 orders of them take 15 KiB */

typedef float row[BLOCK] __attribute__((aligned(64)));

/* What a pulse does, computed once per repetition. */
typedef struct {
    float stay, swap, tip, keep;
} pulse;

static pulse pulse_of(float angle) {
    const float c = cosf(angle / 2), s = sinf(angle / 2);
    return (pulse){c * c, s * s, 2 * s * c, c * c - s * s};
}

/* One repetition of order 0. What goes up to order 1 is left in `rising`. */
static inline void lowest(row *plus, row *minus, row *z, row rising, pulse a, const float *restrict e1,
                          const float *restrict e2, const float *restrict echo, float *restrict sample) {
    for (int v = 0; v < BLOCK; v++) {
        const float p = plus[0][v], m = minus[0][v], l = z[0][v];
        const float tipped = a.stay * p - a.swap * m + a.tip * l;
        sample[v] = tipped * echo[v];
        rising[v] = tipped * e2[v];
        z[0][v] = (a.keep * l - a.tip / 2 * (p + m)) * e1[v] + (1 - e1[v]);
    }
}

/* One repetition of order k: turned, relaxed, and written where dephasing takes it, so that nothing is moved again. */
static inline void higher(int k, row *plus, row *minus, row *z, row rising, pulse a, const float *restrict e1,
                          const float *restrict e2) {
    for (int v = 0; v < BLOCK; v++) {
        const float p = plus[k][v], m = minus[k][v], l = z[k][v];
        plus[k][v] = rising[v];
        rising[v] = (a.stay * p - a.swap * m + a.tip * l) * e2[v];
        minus[k - 1][v] = (a.stay * m - a.swap * p + a.tip * l) * e2[v];
        z[k][v] = (a.keep * l - a.tip / 2 * (p + m)) * e1[v];
    }
}

static void block(int stride, int repetitions, int orders, const float *e1, const float *e2, const float *echo,
                  const float *longitudinal, const float *angle, float *signal) {
    row plus[orders], minus[orders], z[orders], rising;
    memset(plus, 0, sizeof plus);
    memset(minus, 0, sizeof minus);
    memset(z, 0, sizeof z);
    memcpy(z[0], longitudinal, sizeof z[0]);
    for (int r = 0; r < repetitions; r++) {
        const pulse a = pulse_of(angle[r]);
        lowest(plus, minus, z, rising, a, e1, e2, echo, signal + (size_t)r * stride);
        for (int k = 1; k < orders; k++) higher(k, plus, minus, z, rising, a, e1, e2);
        memset(minus[orders - 1], 0, sizeof minus[0]);
        memcpy(plus[0], minus[0], sizeof plus[0]);
    }
}

int block_size(void) { return BLOCK; }

/* Voxels must be a multiple of BLOCK. `longitudinal` is Mz at the first pulse; the signal is (repetitions, voxels). */
void fisp(int voxels, int repetitions, int orders, const float *e1, const float *e2, const float *echo,
          const float *longitudinal, const float *angle, float *signal) {
    for (int b = 0; b < voxels; b += BLOCK)
        block(voxels, repetitions, orders, e1 + b, e2 + b, echo + b, longitudinal + b, angle, signal + b);
}
