package fleet

import (
	"errors"
	"iter"
	"strings"
)

// merged returns the entries of both sequences, ordered by id. Where both have a
// device, their entries are combined.
func merged(a, b iter.Seq2[Entry, error], combine func(a, b Entry) Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for pair, err := range joined(a, b, func(e Entry) string { return e.ID }) {
			var e Entry
			switch {
			case err != nil:
			case pair.left == nil:
				e = *pair.right
			case pair.right == nil:
				e = *pair.left
			default:
				e = combine(*pair.left, *pair.right)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// both has what two sequences have for one device; one of the pointers may be nil.
type both[T any] struct {
	left  *Entry
	right *T
}

// joined returns pairs of the entries and the values with the same id. Both
// sequences are ordered by id. An error is the last value.
func joined[T any](left iter.Seq2[Entry, error], right iter.Seq2[T, error], id func(T) string) iter.Seq2[both[T], error] {
	return func(yield func(both[T], error) bool) {
		nextLeft, stopLeft := iter.Pull2(left)
		defer stopLeft()
		nextRight, stopRight := iter.Pull2(right)
		defer stopRight()
		l, lerr, lok := nextLeft()
		r, rerr, rok := nextRight()
		for lok || rok {
			if err := errors.Join(lerr, rerr); err != nil {
				yield(both[T]{}, err)
				return
			}
			order := 0
			switch {
			case !rok:
				order = -1
			case !lok:
				order = 1
			default:
				order = strings.Compare(l.ID, id(r))
			}
			var pair both[T]
			if order <= 0 {
				e := l
				pair.left = &e
				l, lerr, lok = nextLeft()
			}
			if order >= 0 {
				d := r
				pair.right = &d
				r, rerr, rok = nextRight()
			}
			if !yield(pair, nil) {
				return
			}
		}
	}
}
