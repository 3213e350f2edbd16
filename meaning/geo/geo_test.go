package geo_test

import (
	"bytes"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/meaning/geo"
)

// write writes a file of networks.
func write(t *testing.T, path string, networks map[string]mmdbtype.Map) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-City", RecordSize: 24})
	if err != nil {
		t.Fatal(err)
	}
	for network, says := range networks {
		_, prefix, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(prefix, says); err != nil {
			t.Fatal(err)
		}
	}
	var file bytes.Buffer
	if _, err := tree.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func named(name string) mmdbtype.Map {
	return mmdbtype.Map{"names": mmdbtype.Map{"de": mmdbtype.String("?"), "en": mmdbtype.String(name)}}
}

// TestFiles asks two files for addresses, then changes one of them.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	cities, networks := filepath.Join(dir, "city.mmdb"), filepath.Join(dir, "asn.mmdb")
	germany := named("Germany")
	germany["iso_code"] = mmdbtype.String("DE")
	write(t, cities, map[string]mmdbtype.Map{
		"81.0.0.0/8": {"country": germany, "city": named("Berlin"), "subdivisions": mmdbtype.Slice{named("Land Berlin")},
			"location": mmdbtype.Map{"latitude": mmdbtype.Float64(52.5), "longitude": mmdbtype.Float64(-0.25)}},
		"2a00::/16":  {"registered_country": germany},
		"82.0.0.0/8": {"country": mmdbtype.String("no map")},
	})
	write(t, networks, map[string]mmdbtype.Map{
		"81.2.0.0/16": {"autonomous_system_number": mmdbtype.Uint32(3320), "autonomous_system_organization": mmdbtype.String("Example AG")},
	})
	now := time.Unix(0, 0)
	files, err := geo.Open([]string{cities, networks}, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]meaning.Place{
		"81.2.3.4": {Country: "DE", CountryName: "Germany", Region: "Land Berlin", City: "Berlin", Latitude: "52.5", Longitude: "-0.25", ASN: "3320", Organization: "Example AG"},
		"81.3.3.4": {Country: "DE", CountryName: "Germany", Region: "Land Berlin", City: "Berlin", Latitude: "52.5", Longitude: "-0.25"},
		"2a00::1":  {Country: "DE", CountryName: "Germany"},
		"82.1.1.1": {}, "83.1.1.1": {}, "": {}, "no address": {},
	} {
		if got := files.Current().Place(address); got != want {
			t.Errorf("%s: %+v, want %+v", address, got, want)
		}
	}

	before := files.Current()
	write(t, cities, map[string]mmdbtype.Map{"81.0.0.0/8": {"city": named("a town with a longer name")}})
	if files.Current() != before {
		t.Error("files are looked at all the time")
	}
	now = now.Add(time.Minute)
	after := files.Current()
	if city := after.Place("81.2.3.4").City; city != "a town with a longer name" {
		t.Errorf("after the change the city is %q", city)
	}
	if before.Place("81.2.3.4").City != "Berlin" || before.Version() == after.Version() {
		t.Error("what was said has changed, or its version has not")
	}
	if err := os.WriteFile(cities, []byte("half of a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if files.Current() != after {
		t.Error("a file that cannot be read has taken the place of one that could")
	}
}

// TestOpenRefuses names the file that is none.
func TestOpenRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.mmdb")
	if err := os.WriteFile(bad, []byte("country,city"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, paths := range [][]string{{bad}, {bad + "2"}, nil, make([]string, geo.FilesMax+1)} {
		_, err := geo.Open(paths, time.Now, slog.New(slog.DiscardHandler))
		if err == nil || len(paths) == 1 && !strings.Contains(err.Error(), paths[0]) {
			t.Errorf("%q: %v", paths, err)
		}
	}
}

// TestDamaged reads files in which bytes are wrong: what they say are texts and numbers
// that can be shown, or nothing.
func TestDamaged(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 7))
	path := filepath.Join(t.TempDir(), "city.mmdb")
	germany := named("Germany")
	germany["iso_code"] = mmdbtype.String("DE")
	write(t, path, map[string]mmdbtype.Map{
		"81.0.0.0/8": {"country": germany, "city": named("Berlin"), "location": mmdbtype.Map{"latitude": mmdbtype.Float64(52.5), "longitude": mmdbtype.Float64(13.4)},
			"autonomous_system_number": mmdbtype.Uint32(3320), "autonomous_system_organization": mmdbtype.String(strings.Repeat("long ", 500))},
		"82.0.0.0/8": {"location": mmdbtype.Map{"latitude": mmdbtype.Float64(math.NaN()), "longitude": mmdbtype.Float64(math.Inf(1))}, "city": named("caf\xe9")},
	})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read, shown := 0, 0
	for try := range 3000 {
		data := bytes.Clone(whole)
		for range min(try, 1+random.IntN(4)) { // the first one is as it was
			data[random.IntN(len(data))] ^= byte(1 << random.IntN(8))
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		files, err := geo.Open([]string{path}, func() time.Time { return time.Unix(0, 0) }, slog.New(slog.DiscardHandler))
		if err != nil {
			continue
		}
		read++
		for _, address := range []string{"81.2.3.4", "82.1.1.1", "83.1.1.1", "2a00::1"} {
			p := files.Current().Place(address)
			for _, text := range []string{p.Country, p.CountryName, p.Region, p.City, p.Organization} {
				if !utf8.ValidString(text) || len(text) > 256 {
					t.Fatalf("%s is at %.300q", address, text)
				}
			}
			for _, number := range []string{p.Latitude, p.Longitude, p.ASN} {
				if n, err := strconv.ParseFloat(number, 64); number != "" && (err != nil || math.IsNaN(n) || math.IsInf(n, 0)) {
					t.Fatalf("%s has the number %q", address, number)
				}
			}
			if p != (meaning.Place{}) {
				shown++
			}
		}
	}
	if read == 0 || shown == 0 {
		t.Errorf("%d files were read, %d places shown: the test is broken", read, shown)
	}
}
