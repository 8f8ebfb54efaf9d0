/*
 * library_report.h
 *		A worker's look at its libraries; see library.h.
 */
#ifndef HUBSPOT_LIBRARY_REPORT_H
#define HUBSPOT_LIBRARY_REPORT_H

/*
 * Warn of all that does not hold.  Returns why nothing can be sent (palloc'd),
 * NULL: it can.
 */
extern char *library_tell(void);

#endif							/* HUBSPOT_LIBRARY_REPORT_H */
