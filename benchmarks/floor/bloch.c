/* The least time a CPU core needs for Bloch equations with piecewise constant fields: a rotation, then relaxation.

   Spins in blocks that stay in the first-level cache; the compiler turns the loops over them into vector instructions.
   dM/dt = gamma M x B, clockwise, with B1 along x. */

#include <stddef.h>

#define BLOCK 256 /* spins; enough that each step finds independent work while the one before it finishes */

static void block(int steps, const float *turn_x, const float *turn_gradient, const float *restrict position,
                  const float *restrict turn_z, float e1, float e2, float *restrict mx, float *restrict my,
                  float *restrict mz) {
    for (int t = 0; t < steps; t++) {
        const float wx = turn_x[t], wg = turn_gradient[t];
        for (int v = 0; v < BLOCK; v++) {
            const float wz = wg * position[v] + turn_z[v];
            /* cosine, and sine over the whole angle, of half the angle: even functions, so no root is needed */
            const float u = 0.25f * (wx * wx + wz * wz);
            const float c = 1 + u * (-1 / 2.f + u * (1 / 24.f + u * (-1 / 720.f + u / 40320.f)));
            const float s = 0.5f + u * (-1 / 12.f + u * (1 / 240.f + u * (-1 / 10080.f)));
            const float qx = -wx * s, qz = -wz * s;
            const float x = mx[v], y = my[v], z = mz[v];
            /* M + 2 q x (q x M + c M), the rotation by the unit quaternion (c, q) */
            const float tx = -2 * qz * y, ty = 2 * (qz * x - qx * z), tz = 2 * qx * y;
            mx[v] = (x + c * tx - qz * ty) * e2;
            my[v] = (y + c * ty + (qz * tx - qx * tz)) * e2;
            mz[v] = (z + c * tz + qx * ty) * e1 + (1 - e1);
        }
    }
}

int block_size(void) { return BLOCK; }

/* Spins must be a multiple of BLOCK, and no step may turn them by more than 1 rad. Turns are per step. */
void bloch(int spins, int steps, const float *turn_x, const float *turn_gradient, const float *position,
           const float *turn_z, float e1, float e2, float *mx, float *my, float *mz) {
    for (int b = 0; b < spins; b += BLOCK)
        block(steps, turn_x, turn_gradient, position + b, turn_z + b, e1, e2, mx + b, my + b, mz + b);
}
