package tool

import (
	"os"

	"github.com/stere-log/stere/client"
)

// OpenNode returns a client of a node that runs already, with the key of its data
// folder. The caller closes it.
func OpenNode(url, data string) (*client.Client, error) {
	key, err := client.DiscoverKey(data, os.Getenv)
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{URL: url, APIKey: key})
}
