"""Long work: in steps none of which is done twice, shown as it goes, stopped by a signal; and where it is done."""
