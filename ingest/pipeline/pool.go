package pipeline

import (
	"hash/maphash"
	"sync"

	"github.com/stere-log/stere/model"
)

// Pool keeps Parsers between inputs. It is safe for concurrent use. Create it with
// NewPool.
type Pool struct {
	cfg  Config
	seed maphash.Seed
	// A Parser knows what the rules of redaction say of the names it has seen, so those
	// of tenants with rules of their own are apart: the first are for all others.
	parsers [poolParts]sync.Pool
}

const poolParts = 16

// NewPool returns a Pool of Parsers with these limits.
func NewPool(cfg Config) *Pool { return &Pool{cfg: cfg, seed: maphash.MakeSeed()} }

// part returns where the Parsers of a tenant are.
func (p *Pool) part(tenant model.TenantID) *sync.Pool {
	if p.cfg.RedactOf == nil || p.cfg.RedactOf(tenant) == p.cfg.Redact {
		return &p.parsers[0]
	}
	return &p.parsers[1+maphash.String(p.seed, string(tenant))%(poolParts-1)]
}

// Get returns a Parser for a tenant's input, which has not begun.
func (p *Pool) Get(tenant model.TenantID) *Parser {
	parser, ok := p.part(tenant).Get().(*Parser)
	if !ok {
		parser = New(p.cfg)
	}
	parser.Tenant = tenant
	return parser
}

// Put ends the input of a Parser and takes it back.
func (p *Pool) Put(parser *Parser) {
	part := p.part(parser.Tenant)
	parser.End()
	part.Put(parser)
}
