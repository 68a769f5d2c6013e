/* exp and log for the head of a network (Softmax, Sigmoid, Tanh), so that net.c needs no libm.
 *
 * Accurate to a few units of the last place of a double, which is far below that of the float they end in.
 */
#include "engine.h"

static double hw_exp(double x) {
    static const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    double r, term = 1.0, sum = 1.0;
    int k, i;
    if (x < -745.0) return 0.0;
    if (x > 709.0) x = 709.0;
    k = (int)(x * 1.44269504088896338700 + (x < 0 ? -0.5 : 0.5));
    r = (x - k * ln2_high) - k * ln2_low; /* within half of ln 2 of zero */
    for (i = 1; i < 18; i++) {
        term = term * r / i;
        sum += term;
    }
    for (; k > 0; k--) sum *= 2.0;
    for (; k < 0; k++) sum *= 0.5;
    return sum;
}

/* log of a sum of 1 and other terms between 0 and 1 */
static double hw_log(double x) {
    double y = 0.0, e;
    int i;
    for (e = x; e > 2.0; e *= 0.5) y += 6.93147180559945286227e-01;
    y += e - 1.0 > 0.5 ? 0.5 : e - 1.0;
    for (i = 0; i < 6; i++) {
        e = hw_exp(y);
        y += 2.0 * (x - e) / (x + e);
    }
    return y;
}
