package raft

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler

// filler
