// Package storage breaks the rules about declarations.
package storage

import (
	"flag"
	"sync"

	_ "bad.example/raft"
	_ "lib.example/disk"
	_ "lib.example/disk/vfs"
)

var verbose = flag.Bool("verbose", false, "flags belong to main")

var mu sync.Mutex

var scratch = sync.Pool{} // has an exception

type Bare struct{}

// Grouped constants share a comment.
const (
	One = 1
	Two = 2
)

const Three = 3

var Four = 4 // a comment at the end of the line counts

func (Bare) Method() {}

func (hidden) Method() {}

type hidden struct{}

func Function() {}

func init() {}

func long() {
	println(0)
	println(1)
	println(2)
	println(3)
	println(4)
	println(5)
	println(6)
	println(7)
	println(8)
	println(9)
	println(10)
	println(11)
	println(12)
	println(13)
	println(14)
	println(15)
	println(16)
	println(17)
	println(18)
	println(19)
	println(20)
	println(21)
	println(22)
	println(23)
	println(24)
	println(25)
	println(26)
	println(27)
	println(28)
	println(29)
	println(30)
	println(31)
	println(32)
	println(33)
	println(34)
	println(35)
	println(36)
	println(37)
	println(38)
	println(39)
	println(40)
	println(41)
	println(42)
	println(43)
	println(44)
	println(45)
	println(46)
	println(47)
	println(48)
	println(49)
	println(50)
	println(51)
	println(52)
	println(53)
	println(54)
	println(55)
	println(56)
	println(57)
	println(58)
	println(59)
	println(60)
	println(61)
	println(62)
	println(63)
	println(64)
	println(65)
	println(66)
	println(67)
	println(68)
	println(69)
	println(70)
	println(71)
	println(72)
	println(73)
	println(74)
	println(75)
	println(76)
	println(77)
	println(78)
	println(79)
}

func tolerated() {
	println(0)
	println(1)
	println(2)
	println(3)
	println(4)
	println(5)
	println(6)
	println(7)
	println(8)
	println(9)
	println(10)
	println(11)
	println(12)
	println(13)
	println(14)
	println(15)
	println(16)
	println(17)
	println(18)
	println(19)
	println(20)
	println(21)
	println(22)
	println(23)
	println(24)
	println(25)
	println(26)
	println(27)
	println(28)
	println(29)
	println(30)
	println(31)
	println(32)
	println(33)
	println(34)
	println(35)
	println(36)
	println(37)
	println(38)
	println(39)
	println(40)
	println(41)
	println(42)
	println(43)
	println(44)
	println(45)
	println(46)
	println(47)
	println(48)
	println(49)
	println(50)
	println(51)
	println(52)
	println(53)
	println(54)
	println(55)
	println(56)
	println(57)
	println(58)
	println(59)
	println(60)
	println(61)
	println(62)
	println(63)
	println(64)
	println(65)
	println(66)
	println(67)
	println(68)
	println(69)
	println(70)
	println(71)
	println(72)
	println(73)
	println(74)
	println(75)
	println(76)
	println(77)
	println(78)
	println(79)
}
