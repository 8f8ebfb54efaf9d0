/*
 * library_report.h
 *		A worker's look at its libraries; see library.h.
 */
#ifndef HUBSPOT_LIBRARY_REPORT_H
#define HUBSPOT_LIBRARY_REPORT_H

/* Log a warning for each broken rule.  Returns why nothing can be sent (palloc'd), or NULL. */
extern char *library_tell(void);

#endif							/* HUBSPOT_LIBRARY_REPORT_H */
