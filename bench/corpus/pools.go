package corpus

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
)

// Sizes of the value pools and the exponents of their Zipf laws.
const (
	clientCount  = 30_000
	userCount    = 8_000
	productCount = 5_000
	podCount     = 240
	zipfClients  = 1.1
	zipfUsers    = 1.2
	zipfProducts = 1.3
)

// pool is a set of values and the law by which they are drawn.
type pool struct {
	values []string
	zipf   *rand.Zipf
}

func (p *pool) draw() string { return p.values[p.zipf.Uint64()] }

func newPool(rng *rand.Rand, n int, s float64, value func(i int) string) pool {
	p := pool{values: make([]string, n), zipf: rand.NewZipf(rng, s, 4, uint64(n-1))}
	for i := range p.values {
		p.values[i] = value(i)
	}
	return p
}

// pools are the values that lines share.
type pools struct {
	clients  pool
	users    pool
	products pool
	pods     pool
	hosts    []string
	agents   []string
}

func newPools(rng *rand.Rand) pools {
	octet := func() string { return strconv.Itoa(1 + rng.IntN(254)) }
	names := []string{"anna", "bruno", "chen", "dmitri", "elif", "farid", "greta", "hiro", "ines", "jonas", "kavya", "liam", "maya", "noor", "olga", "pavel"}
	kinds := []string{"lamp", "chair", "desk", "kettle", "backpack", "tent", "camera", "notebook", "jacket", "bottle"}
	colours := []string{"red", "blue", "green", "black", "white", "amber", "teal"}
	workloads := []string{"cart", "checkout", "catalog", "search", "billing", "mailer", "ledger", "gateway"}
	pick := func(from []string) string { return from[rng.IntN(len(from))] }
	p := pools{
		clients: newPool(rng, clientCount, zipfClients, func(int) string {
			return strconv.Itoa(11+rng.IntN(200)) + "." + octet() + "." + octet() + "." + octet()
		}),
		users: newPool(rng, userCount, zipfUsers, func(i int) string { return pick(names) + strconv.Itoa(i) }),
		products: newPool(rng, productCount, zipfProducts, func(i int) string {
			return pick(colours) + "-" + pick(kinds) + "-" + strconv.Itoa(100+i)
		}),
		pods: newPool(rng, podCount, zipfUsers, func(int) string {
			return fmt.Sprintf("%s-%08x-%05x", pick(workloads), rng.Uint32(), rng.Uint32()&0xfffff)
		}),
		agents: []string{
			"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
			"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
			"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
			"curl/8.14.1", "shop-mobile/4.18.2 (Android 15)", "PartnerSync/2.3", "UptimeProbe/1.0",
		},
	}
	for i := range 12 {
		p.hosts = append(p.hosts, fmt.Sprintf("node-%02d", i+1))
	}
	return p
}

func (g *Generator) pick(from []string) string { return from[g.rng.IntN(len(from))] }

// host draws a host; the first ones are busier.
func (g *Generator) host() string {
	x := g.rng.Float64()
	return g.pools.hosts[int(x*x*float64(len(g.pools.hosts)))]
}

// micros draws a duration in microseconds from a log-normal law.
func (g *Generator) micros(medianMillis, sigma float64) int64 {
	return 1 + int64(medianMillis*1000*math.Exp(g.rng.NormFloat64()*sigma))
}
