/* timestamp.h: see postgres.h beside it */
