// Package sorting sorts lists of structs.
//
// The compiler makes another copy of slices.SortFunc for each type of element, 16 kB of machine code and as much again in tables. A dozen of
// them is half a megabyte of the image. These sort by swapping through reflection, in the same order and at half the speed, which does not
// matter for lists that people read. Pointers, strings and numbers share their copies: sort them with package slices.
package sorting

import "sort"

// By sorts as slices.SortFunc does.
func By[E any](list []E, compare func(a, b E) int) {
	sort.Slice(list, func(i, j int) bool { return compare(list[i], list[j]) < 0 })
}

// Stable sorts as slices.SortStableFunc does: equal elements stay in the order that they had.
func Stable[E any](list []E, compare func(a, b E) int) {
	sort.SliceStable(list, func(i, j int) bool { return compare(list[i], list[j]) < 0 })
}
