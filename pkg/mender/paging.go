package mender

import (
	"context"
	"iter"
	"sync"
	"time"
)

// Page is one page of a list.
type Page[T any] struct {
	// ServerTime is the server's time when it answered, cut to the second, or
	// zero if it did not say.
	ServerTime time.Time

	empty  bool
	decode func() ([]T, error)
}

// Items decodes the items of the page. A reader that calls it while Pages
// fetches the next page uses two processors.
func (p Page[T]) Items() ([]T, error) { return p.decode() }

// ahead is how many pages are fetched before the reader wants them.
const ahead = 3

// Pages fetches a list page by page, counted from 1, until a page is empty, the
// reader stops, or an error comes, which is the last value. Nothing is fetched
// before the first page is requested; from the second page on, a few are fetched
// ahead, one at a time.
func Pages[T any](ctx context.Context, fetch func(ctx context.Context, n int) (Page[T], error)) iter.Seq2[Page[T], error] {
	return func(yield func(Page[T], error) bool) {
		first, err := fetch(ctx, 1)
		if !yield(first, err) || err != nil || first.empty {
			return
		}
		pages, stop := fetchAhead(ctx, fetch)
		defer stop()
		for p := range pages {
			if !yield(p.page, p.err) {
				return
			}
		}
	}
}

// fetched is a page, or why there is none.
type fetched[T any] struct {
	page Page[T]
	err  error
}

// fetchAhead fetches pages from the second on, until stop is called, which
// returns once no request is in progress.
func fetchAhead[T any](ctx context.Context, fetch func(context.Context, int) (Page[T], error)) (pages <-chan fetched[T], stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan fetched[T], ahead-1)
	stopped := make(chan struct{}) // the reader takes no more, not even an error
	var fetching sync.WaitGroup
	fetching.Go(func() {
		defer close(out)
		for n := 2; ; n++ {
			page, err := fetch(ctx, n)
			select {
			case out <- fetched[T]{page, err}:
			case <-stopped:
				return
			}
			if err != nil || page.empty {
				return
			}
		}
	})
	return out, func() {
		cancel()
		close(stopped)
		fetching.Wait()
	}
}
