// Package queueing has the textbook formulas of queues: Erlang's, Pollaczek and Khinchine's, Allen and Cunneen's.
//
// They size tables and check simulations; answers to questions about percentiles come from loadgen/plan/sim. All
// functions are pure. Rates are per second and times in seconds; what has no steady state is +Inf.
package queueing

import "math"

// ErlangB is the share of calls lost by servers without a queue at the offered load in Erlangs, by the recursion
// B(c) = a·B(c−1) ÷ (c + a·B(c−1)).
func ErlangB(servers int, load float64) float64 {
	b := 1.0
	for c := 1; c <= servers; c++ {
		b = load * b / (float64(c) + load*b)
	}
	return b
}

// ErlangC is the share of calls that must wait in an M/M/c queue; 1 where the load is not below the servers.
func ErlangC(servers int, load float64) float64 {
	if load <= 0 {
		return 0
	}
	rho := load / float64(servers)
	if rho >= 1 {
		return 1
	}
	b := ErlangB(servers, load)
	return b / (1 - rho*(1-b))
}

// WaitMMC is the mean wait in an M/M/c queue.
func WaitMMC(servers int, rate, service float64) float64 {
	load := rate * service
	if load >= float64(servers) {
		return math.Inf(1)
	}
	return ErlangC(servers, load) * service / (float64(servers) - load)
}

// QuantileMMC is the q-quantile of the time in an M/M/c system, wait and service, by bisection of its distribution
// (Gross and others, Fundamentals of Queueing Theory, section on M/M/c waiting times).
func QuantileMMC(servers int, rate, service, q float64) float64 {
	load := rate * service
	if load >= float64(servers) {
		return math.Inf(1)
	}
	low, high := 0.0, service
	for TailMMC(servers, rate, service, high) > 1-q {
		high *= 2
	}
	for range 100 {
		if middle := (low + high) / 2; TailMMC(servers, rate, service, middle) > 1-q {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// TailMMC is the probability that a call spends more than t in an M/M/c system.
func TailMMC(servers int, rate, service, t float64) float64 {
	mu, c := 1/service, float64(servers)
	wait := ErlangC(servers, rate*service)
	drain := c*mu - rate // rate of the exponential wait of those who wait
	if math.Abs(drain-mu) < 1e-9*mu {
		return math.Exp(-mu*t) * (1 + wait*mu*t)
	}
	return math.Exp(-mu*t)*(1-wait) + wait*(drain*math.Exp(-mu*t)-mu*math.Exp(-drain*t))/(drain-mu)
}

// WaitMG1 is Pollaczek and Khinchine's mean wait with one server: ρ ÷ (1 − ρ) × (1 + C²) ÷ 2 × service.
func WaitMG1(rate, service, scv float64) float64 {
	rho := rate * service
	if rho >= 1 {
		return math.Inf(1)
	}
	return rho / (1 - rho) * (1 + scv) / 2 * service
}

// WaitGGC is Allen and Cunneen's approximation of the mean wait: that of M/M/c, times the mean of the squared
// coefficients of variation of arrivals and services (Allen, Probability, Statistics, and Queueing Theory, 1990). It is
// exact for M/M/c and M/G/1.
func WaitGGC(servers int, rate, service, arrivalsSCV, serviceSCV float64) float64 {
	return WaitMMC(servers, rate, service) * (arrivalsSCV + serviceSCV) / 2
}

// Servers is the fewest servers with a load of at most the given share and a mean wait (WaitGGC, Poisson arrivals) of at
// most the given time. It is 0 where no number up to most does.
func Servers(rate, service, scv, share, wait float64, most int) int {
	for c := max(int(math.Ceil(rate*service/share-1e-9)), 1); c <= most; c++ {
		if WaitGGC(c, rate, service, 1, scv) <= wait {
			return c
		}
	}
	return 0
}
