package anomaly

import "math"

// The tails are natural logarithms of probabilities: those of interest are too small
// for floating point.

const (
	dispersionLeast = 1e-6
	steps           = 500
	tiny            = 1e-300
	summed          = 2048 // records whose probabilities are added one by one
)

// atLeast returns ln P(X >= x) of a negative binomial with a mean and a dispersion:
// its variance is mean + dispersion mean².
func atLeast(x, mean, dispersion float64) float64 {
	if x <= 0 {
		return 0
	}
	if mean <= 0 {
		return math.Inf(-1)
	}
	size := 1 / max(dispersion, dispersionLeast)
	return lnBeta(mean/(size+mean), size/(size+mean), x, size)
}

// atMost returns ln P(X <= x) of the same.
func atMost(x, mean, dispersion float64) float64 {
	if mean <= 0 {
		return 0
	}
	size := 1 / max(dispersion, dispersionLeast)
	return lnBeta(size/(size+mean), mean/(size+mean), size, max(x, 0)+1)
}

// shareAtLeast returns ln P(X >= x) of n records of which each is of the part with a
// probability of share, and two of which have a correlation of rho: a beta-binomial
// distribution. Unlike a count, a part cannot be more than its whole.
func shareAtLeast(x, n, share, rho float64) float64 {
	if x <= 0 {
		return 0
	}
	if x > n {
		return math.Inf(-1)
	}
	rho = max(rho, dispersionLeast)
	if n > summed {
		// Of so many, the beta distribution with the same mean and variance.
		of := 1/(rho+(1-rho)/n) - 1
		return lnBeta(1-x/n, x/n, (1-share)*of, share*of)
	}
	a, b := share*(1/rho-1), (1-share)*(1/rho-1)
	first := lnBinomial(n, x) + lnB(x+a, n-x+b) - lnB(a, b)
	term, all := 1.0, 0.0
	for ; x <= n && term > all*1e-12; x++ {
		all += term
		term *= (n - x) * (x + a) / ((x + 1) * (n - x - 1 + b))
	}
	return min(first+math.Log(all), 0)
}

// lnB returns ln of the beta function.
func lnB(a, b float64) float64 {
	lnA, _ := math.Lgamma(a)
	lnB, _ := math.Lgamma(b)
	lnAB, _ := math.Lgamma(a + b)
	return lnA + lnB - lnAB
}

// lnBinomial returns ln of how many ways there are to take k of n.
func lnBinomial(n, k float64) float64 { return -lnB(k+1, n-k+1) - math.Log(n+1) }

// normalAbove returns ln P(Z >= z) of the standard normal distribution.
func normalAbove(z float64) float64 {
	if z < 20 {
		return math.Log(math.Erfc(z/math.Sqrt2) / 2)
	}
	return -z*z/2 - math.Log(z*math.Sqrt(2*math.Pi))
}

// lnBeta returns ln of the regularized incomplete beta function I_x(a, b); y is 1-x,
// given apart so that neither loses digits.
func lnBeta(x, y, a, b float64) float64 {
	if x <= 0 {
		return math.Inf(-1)
	}
	if y <= 0 {
		return 0
	}
	front := a*math.Log(x) + b*math.Log(y) - lnB(a, b)
	if x < (a+1)/(a+b+2) {
		return front + math.Log(fraction(x, a, b)/a)
	}
	other := math.Exp(front + math.Log(fraction(y, b, a)/b))
	return math.Log1p(-min(other, 1))
}

// fraction is the continued fraction of the incomplete beta function, by the method
// of Lentz.
func fraction(x, a, b float64) float64 {
	away := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/away(1-(a+b)*x/(a+1))
	h := d
	for i := 1; i <= steps; i++ {
		m := float64(i)
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d, c = 1/away(1+even*d), away(1+even/c)
		h *= d * c
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d, c = 1/away(1+odd*d), away(1+odd/c)
		h *= d * c
		if math.Abs(d*c-1) < 1e-12 {
			break
		}
	}
	return h
}
