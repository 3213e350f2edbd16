package corpus

// java writes the log of a Java shop back end: short lines and, with errors,
// stack traces of several lines in one message.
func (g *Generator) java(dst []byte) []byte {
	components := []string{"OrderService", "PaymentGateway", "InventoryRepository", "SessionFilter", "PricingEngine"}
	component := components[min(int(g.rng.ExpFloat64()*1.6), len(components)-1)]
	thread, took := int64(1+g.rng.IntN(64)), g.micros(6, 1.3)
	dst = g.open(dst, 3)
	level := "info"
	switch {
	case g.odds(0.012):
		level = "error"
		dst = g.stackTrace(dst, component)
	case g.odds(0.02):
		level = "warn"
		dst = append(dst, "Retrying call to inventory, attempt "...)
		dst = appendInt(dst, int64(2+g.rng.IntN(4)))
		dst = append(dst, " after timeout of 250 ms"...)
	case g.rng.IntN(4) == 0:
		level = "debug"
		dst = append(dst, "Cache lookup for key product:"...)
		dst = append(dst, g.pools.products.draw()...)
		dst = append(dst, " took "...)
		dst = appendInt(dst, took)
		dst = append(dst, " us"...)
	case g.rng.IntN(2) == 0:
		dst = append(dst, "Order "...)
		dst = appendInt(dst, int64(100_000+g.rng.IntN(900_000)))
		dst = append(dst, " of customer "...)
		dst = append(dst, g.pools.users.draw()...)
		dst = append(dst, " moved to state "...)
		dst = append(dst, g.pick([]string{"CREATED", "PAID", "PACKED", "SHIPPED", "DELIVERED"})...)
	default:
		dst = append(dst, "Completed request in "...)
		dst = appendMillis(dst, took)
		dst = append(dst, " ms, rows="...)
		dst = appendInt(dst, int64(g.rng.IntN(500)))
	}
	dst = g.close(dst, level, component)
	dst = appendQuoted(dst, `"host":`, g.host())
	dst = appendNumber(dst, `,"thread":"http-exec-`, thread)
	dst = append(dst, `","duration_ms":`...)
	dst = appendMillis(dst, took)
	return g.end(dst)
}

func (g *Generator) stackTrace(dst []byte, component string) []byte {
	dst = append(dst, g.pick([]string{
		"java.net.SocketTimeoutException: Read timeout after 5000 ms",
		"java.lang.IllegalStateException: Order does not exist in state store",
		"java.sql.SQLTransientConnectionException: Pool exhausted, no connection within 30000 ms",
		"java.lang.NullPointerException: Cannot invoke method on absent basket",
	})...)
	frames := []string{"shop.order.OrderFlow.advance", "shop.core.Retry.call", "shop.core.Tracing.wrap", "shop.web.Dispatcher.handle",
		"java.util.concurrent.ThreadPoolExecutor.runWorker", "java.lang.Thread.run"}
	for i := range 3 + g.rng.IntN(len(frames)-2) {
		dst = append(dst, `\n\tat `...)
		if i == 0 {
			dst = append(dst, "shop.service."...)
			dst = append(dst, component...)
			dst = append(dst, ".execute"...)
		} else {
			dst = append(dst, frames[i%len(frames)]...)
		}
		dst = append(dst, '(')
		dst = append(dst, "Source.java:"...)
		dst = appendInt(dst, int64(40+i*17+g.rng.IntN(3)))
		dst = append(dst, ')')
	}
	return dst
}

// app writes structured events of a JSON logger, with a nested object.
func (g *Generator) app(dst []byte) []byte {
	components := []string{"checkout", "recommender", "mailer", "fraud-check"}
	component := components[min(int(g.rng.ExpFloat64()*1.3), len(components)-1)]
	dst = g.open(dst, 6)
	level := "info"
	switch {
	case g.odds(0.01):
		level = "error"
		dst = append(dst, g.pick([]string{"payment refused by provider", "provider timeout, giving up", "template does not exist", "quota exceeded for partner"})...)
	case g.odds(0.004):
		level = "critical"
		dst = append(dst, "ledger out of balance, stopping settlement"...)
	case g.rng.IntN(400) == 0:
		level = "warn"
		dst = g.remark(dst)
	case g.rng.IntN(6) == 0:
		level = "debug"
		dst = append(dst, "feature vector computed"...)
	default:
		dst = append(dst, g.pick([]string{"order placed", "basket updated", "mail queued", "score accepted", "coupon applied", "address verified"})...)
	}
	dst = g.close(dst, level, component)
	dst = appendQuoted(dst, `"host":`, g.host())
	dst = appendQuoted(dst, `,"user":`, g.pools.users.draw())
	dst = appendQuoted(dst, `,"client_ip":`, g.pools.clients.draw())
	dst = append(dst, `,"session":"`...)
	dst = appendHex16(dst, g.rng.Uint64())
	dst = append(dst, `","cart":{"items":`...)
	dst = appendInt(dst, int64(1+g.rng.ExpFloat64()*3))
	dst = append(dst, `,"total":`...)
	dst = appendInt(dst, int64(5+g.rng.ExpFloat64()*80))
	dst = append(dst, '.', byte('0'+g.rng.IntN(10)), byte('1'+g.rng.IntN(9)), '}')
	dst = append(dst, `,"retried":`...)
	if g.rng.IntN(20) == 0 {
		dst = append(dst, "true"...)
	} else {
		dst = append(dst, "false"...)
	}
	dst = append(dst, `,"duration_ms":`...)
	dst = appendMillis(dst, g.micros(32, 0.9))
	return g.end(dst)
}

// remark writes one of many sentences, each of them rare.
func (g *Generator) remark(dst []byte) []byte {
	whats := []string{"certificate", "partition", "coupon", "warehouse", "translation", "invoice", "webhook", "voucher", "thumbnail", "ledger",
		"firewall", "calendar", "shipment", "discount", "courier", "barcode", "passkey", "allergen", "pallet", "refund"}
	hows := []string{"rotated", "frozen", "misplaced", "reconciled", "duplicated", "abandoned", "quarantined", "throttled", "rewritten", "unsealed",
		"postponed", "truncated", "overbooked", "recalled", "mislabelled", "escalated", "archived", "shadowed", "unpaired", "stranded"}
	dst = append(dst, "operator remark: "...)
	dst = append(dst, g.pick(hows)...)
	dst = append(dst, ' ')
	dst = append(dst, g.pick(whats)...)
	dst = append(dst, " seen by "...)
	return append(dst, g.pools.users.draw()...)
}
