"""The sections of a report, one module each: tables and plots of one part of the document."""
