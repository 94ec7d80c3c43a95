package task

import "math/bits"

func sumSquares(span Span) Partial {
	var sum Wide
	for n := span.From; n < span.To; n++ {
		hi, lo := bits.Mul64(n, n)
		sum = sum.Plus(Wide{hi: hi, lo: lo})
	}
	return Partial{Items: span.Len(), Sum: sum}
}
