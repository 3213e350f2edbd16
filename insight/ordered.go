package insight

import (
	"bytes"
	"encoding/json"
)

// Ordered is a JSON object whose members keep their order.
type Ordered[T any] []Member[T]

// Member is one member of an Ordered.
type Member[T any] struct {
	Name  string
	Value T
}

// MarshalJSON implements json.Marshaler.
func (o Ordered[T]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, member := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(member.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(member.Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Get returns the value of a member.
func (o Ordered[T]) Get(name string) (value T, ok bool) {
	for _, member := range o {
		if member.Name == name {
			return member.Value, true
		}
	}
	return value, false
}
