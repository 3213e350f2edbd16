package corpus

// web writes the access log of an edge server, and now and then its error log.
func (g *Generator) web(dst []byte) []byte {
	if g.odds(0.01) {
		return g.webError(dst)
	}
	client, method := g.pools.clients.draw(), ""
	dst = g.open(dst, 3)
	dst = append(dst, client...)
	dst = append(dst, " - - ["...)
	dst = g.commonLogTime(dst)
	dst = append(dst, `] \"`...)
	pathStart, pathEnd := 0, 0
	write := func(m string) {
		method = m
		dst = append(dst, m...)
		dst = append(dst, ' ')
		pathStart = len(dst)
		dst = g.path(dst, m)
		pathEnd = len(dst)
	}
	switch x := g.rng.Float64(); {
	case x < 0.78:
		write("GET")
	case x < 0.94:
		write("POST")
	case x < 0.97:
		write("PUT")
	default:
		write("HEAD")
	}
	status := g.status(method)
	size := int64(0)
	if status != 304 && method != "HEAD" {
		size = 120 + int64(g.rng.ExpFloat64()*9000)
	}
	took := g.micros(14, 1.1)
	dst = append(dst, ` HTTP/1.1\" `...)
	dst = appendInt(dst, status)
	dst = append(dst, ' ')
	dst = appendInt(dst, size)
	dst = append(dst, ` \"-\" \"`...)
	dst = append(dst, g.pick(g.pools.agents)...)
	dst = append(dst, `\" rt=`...)
	dst = appendMillis(dst, took)
	level := "info"
	switch {
	case status >= 500:
		level = "error"
	case status >= 400:
		level = "warn"
	}
	dst = g.close(dst, level, "edge-nginx")
	dst = appendQuoted(dst, `"host":`, g.host())
	dst = appendQuoted(dst, `,"client_ip":`, client)
	dst = appendQuoted(dst, `,"method":`, method)
	dst = append(dst, `,"path":"`...)
	dst = append(dst, dst[pathStart:pathEnd]...)
	dst = appendNumber(dst, `","status":`, status)
	dst = appendNumber(dst, `,"bytes":`, size)
	dst = append(dst, `,"duration_ms":`...)
	dst = appendMillis(dst, took)
	return g.end(dst)
}

func (g *Generator) status(method string) int64 {
	switch {
	case g.odds(0.006):
		return int64(500 + g.rng.IntN(5))
	case g.odds(0.02):
		return 404
	case g.odds(0.012):
		return int64([]int{400, 401, 403, 429}[g.rng.IntN(4)])
	case method == "POST" && g.rng.IntN(3) == 0:
		return 201
	case g.rng.IntN(9) == 0:
		return 304
	}
	return 200
}

func (g *Generator) path(dst []byte, method string) []byte {
	if method == "GET" || method == "HEAD" {
		switch x := g.rng.IntN(20); {
		case x < 5:
			dst = append(dst, "/static/js/app."...)
			return append(appendHex16(dst, scramble(uint64(g.rng.IntN(9))))[:len(dst)+8], ".js"...)
		case x < 6:
			return append(dst, "/favicon.ico"...)
		case x < 11:
			dst = append(dst, "/products/"...)
			return append(dst, g.pools.products.draw()...)
		case x < 15:
			dst = append(dst, "/api/v1/orders/"...)
			return appendInt(dst, int64(100_000+g.rng.IntN(900_000)))
		case x < 18:
			dst = append(dst, "/search?q="...)
			dst = append(dst, g.pools.products.draw()...)
			return appendNumber(dst, "&page=", int64(1+g.rng.IntN(9)))
		}
		return append(dst, "/"...)
	}
	switch g.rng.IntN(3) {
	case 0:
		return append(dst, "/api/v1/cart"...)
	case 1:
		return append(dst, "/api/v1/login"...)
	}
	dst = append(dst, "/api/v1/users/"...)
	return append(dst, g.pools.users.draw()...)
}

func (g *Generator) webError(dst []byte) []byte {
	client := g.pools.clients.draw()
	dst = g.open(dst, 3)
	level := "error"
	switch g.rng.IntN(4) {
	case 0:
		dst = append(dst, "File does not exist: /srv/www/favicon.ico, client: "...)
	case 1:
		dst = append(dst, "File does not exist: /srv/www/"...)
		dst = append(dst, g.pools.products.draw()...)
		dst = append(dst, ".html, client: "...)
	case 2:
		dst = append(dst, "upstream timeout (110) while reading response header from upstream, upstream: 10.4.0."...)
		dst = appendInt(dst, int64(g.rng.IntN(32)))
		dst = append(dst, ":8080, client: "...)
	default:
		level = "warn"
		dst = append(dst, "a client request body is buffered to a temporary file /var/cache/edge/"...)
		dst = appendInt(dst, int64(g.rng.IntN(10_000_000)))
		dst = append(dst, ", client: "...)
	}
	dst = append(dst, client...)
	dst = g.close(dst, level, "edge-nginx")
	dst = appendQuoted(dst, `"host":`, g.host())
	dst = appendQuoted(dst, `,"client_ip":`, client)
	return g.end(dst)
}
