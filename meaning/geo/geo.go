package geo

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/stere-log/stere/internal/reread"
	"github.com/stere-log/stere/meaning"
)

// Limits.
const (
	FilesMax = 8
	FileMax  = 512 << 20 // bytes
)

// Files are files that say where addresses are.
type Files struct{ files *reread.Files[*Database] }

// Database is what the files say. It is safe for concurrent use.
type Database struct {
	readers []*maxminddb.Reader
	version string
}

// Open reads the files. Of a field that several of them have, the first one counts.
func Open(paths []string, now func() time.Time, logger *slog.Logger) (*Files, error) {
	if len(paths) == 0 || len(paths) > FilesMax {
		return nil, fmt.Errorf("%d files, want 1 to %d", len(paths), FilesMax)
	}
	files, err := reread.Open(reread.Config[*Database]{
		Paths: paths, BytesMax: FileMax, Now: now, Read: func() (*Database, error) { return load(paths) },
		Told: func(said *Database, err error) {
			if err != nil {
				logger.Warn("files of places have changed and cannot be read; those from before count", "error", err)
				return
			}
			logger.Info("files of places have changed and were read again", "version", said.version)
		},
	})
	if err != nil {
		return nil, err
	}
	return &Files{files}, nil
}

// load reads files.
func load(paths []string) (*Database, error) {
	d := &Database{}
	sum := sha256.New()
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		reader, err := maxminddb.OpenBytes(data)
		if err != nil {
			return nil, fmt.Errorf("%s is no file in the MMDB format: %w", path, err)
		}
		_, _ = sum.Write(data) // a hash takes everything
		d.readers = append(d.readers, reader)
	}
	d.version = hex.EncodeToString(sum.Sum(nil)[:8])
	return d, nil
}

// Current returns what the files say now. Of files that cannot be read, as while they are
// written, it is what they said before.
func (f *Files) Current() *Database { return f.files.Current() }

// entry is what a file has of an address, as far as it is of use.
type entry struct {
	Country struct {
		Code  string `maxminddb:"iso_code"`
		Names names  `maxminddb:"names"`
	} `maxminddb:"country"`
	Registered struct {
		Code  string `maxminddb:"iso_code"`
		Names names  `maxminddb:"names"`
	} `maxminddb:"registered_country"`
	Regions []struct {
		Names names `maxminddb:"names"`
	} `maxminddb:"subdivisions"`
	City struct {
		Names names `maxminddb:"names"`
	} `maxminddb:"city"`
	Location struct {
		Latitude  *float64 `maxminddb:"latitude"`
		Longitude *float64 `maxminddb:"longitude"`
	} `maxminddb:"location"`
	ASN          uint64 `maxminddb:"autonomous_system_number"`
	Organization string `maxminddb:"autonomous_system_organization"`
}

// names are those in the language of the fields.
type names struct {
	English string `maxminddb:"en"`
}

// Version changes with the contents of the files, and is the same where they are.
func (d *Database) Version() string { return d.version }

// Place returns where an address is, as far as it is known.
func (d *Database) Place(address string) (place meaning.Place) {
	at, err := netip.ParseAddr(address)
	if err != nil {
		return place
	}
	for _, reader := range d.readers {
		var e entry
		if reader.Lookup(at).Decode(&e) != nil {
			continue // what is damaged says nothing
		}
		place.Country = cmp.Or(place.Country, said(e.Country.Code), said(e.Registered.Code))
		place.CountryName = cmp.Or(place.CountryName, said(e.Country.Names.English), said(e.Registered.Names.English))
		if len(e.Regions) > 0 {
			place.Region = cmp.Or(place.Region, said(e.Regions[0].Names.English))
		}
		place.City = cmp.Or(place.City, said(e.City.Names.English))
		if l := e.Location; place.Latitude == "" && within(l.Latitude, 90) && within(l.Longitude, 180) {
			place.Latitude, place.Longitude = degrees(*l.Latitude), degrees(*l.Longitude)
		}
		if e.ASN != 0 {
			place.ASN = cmp.Or(place.ASN, strconv.FormatUint(e.ASN, 10))
		}
		place.Organization = cmp.Or(place.Organization, said(e.Organization))
	}
	return place
}

// textMax is how long a text of a file can be, in bytes: it is in answers, and a damaged
// file may have any.
const textMax = 256

// said returns a text of a file, "" for what is none.
func said(text string) string {
	if len(text) > textMax || !utf8.ValidString(text) {
		return ""
	}
	return text
}

// within reports whether there is a number of degrees, and a possible one.
func within(n *float64, most float64) bool { return n != nil && math.Abs(*n) <= most }

// degrees returns a number of degrees as a text.
func degrees(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
