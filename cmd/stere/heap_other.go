//go:build !linux

package main

func (s heapStretch) huge() {}

func (s heapStretch) plain() {}
