package tool

import (
	"bufio"
	"errors"
	"fmt"
	"os"
)

const (
	batchBytes = 4 << 20
	lineMax    = 1 << 20
)

// SendLines gives the lines of a file, the first ones up to most, to send in batches of
// some MiB, which are its own until it returns. It returns how many lines were sent; a file
// without any is an error.
func SendLines(path string, most int, send func(batch []byte) error) (sent int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("open records: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, lineMax), lineMax)
	var batch []byte
	waiting := 0
	for ; sent+waiting < most && lines.Scan(); waiting++ {
		if len(batch) >= batchBytes {
			if err := send(batch); err != nil {
				return sent, err
			}
			batch, sent, waiting = batch[:0], sent+waiting, 0
		}
		batch = append(append(batch, lines.Bytes()...), '\n')
	}
	if err := lines.Err(); err != nil {
		return sent, fmt.Errorf("read records: %w", err)
	}
	if len(batch) == 0 {
		return 0, fmt.Errorf("send records: %s has none", path)
	}
	if err := send(batch); err != nil {
		return sent, err
	}
	return sent + waiting, nil
}
