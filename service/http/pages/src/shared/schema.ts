// Made by `make pages` from the OpenAPI document; not to be changed by hand.

export interface paths {
    "/api/v1/batches/{batch_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * GetBatch
         * @description How many of a batch's tasks are in each status.
         */
        get: operations["get_batch"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * ListFiles
         * @description One's own files, newest first: uploads, and what edits made.
         */
        get: operations["list_files"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/files/{file_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * GetFile
         * @description A file's bytes, for its owner's token or for a signed URL; with ETag and Range.
         */
        get: operations["get_file"];
        put?: never;
        post?: never;
        /**
         * DeleteFile
         * @description Delete a file that no unfinished task needs.
         */
        delete: operations["delete_file"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * GetMe
         * @description The account and its balance.
         */
        get: operations["get_me"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me/credits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * GetCredits
         * @description Every change of the balance, newest first.
         */
        get: operations["get_credits"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me/webhook-secret": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * WebhookSecret
         * @description What one's webhooks are signed with.
         */
        get: operations["webhook_secret"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me/webhook-secret/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * RotateSecret
         * @description A new secret. For 24 hours webhooks are signed with the one before as well.
         */
        post: operations["rotate_secret"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me/webhooks/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * ListDeliveries
         * @description What was told, or is to be told, newest first.
         */
        get: operations["list_deliveries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me/webhooks/deliveries/{delivery_id}/redeliver": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Redeliver
         * @description Tell it once more, with the same webhook-id, whether or not it was told.
         */
        post: operations["redeliver"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me/webhooks/ping": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Ping
         * @description Send a webhook of the type `ping`, to try a receiver; the deliveries tell what came back.
         */
        post: operations["ping"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/modes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * ListModes
         * @description What can be asked, and what it costs. No token needed.
         */
        get: operations["list_modes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/operator/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * StreamOverview
         * @description How everything is, every few seconds.
         */
        get: operations["stream_overview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/operator/tasks/{task_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * GetHistory
         * @description Anybody's task, and each status it had, oldest first.
         */
        get: operations["get_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * SignIn
         * @description Sign a browser in: with what a one-time link holds, or with an API key or a JWT.
         */
        post: operations["sign_in"];
        /**
         * SignOut
         * @description End the session, here and for every page of this browser; without one nothing happens.
         */
        delete: operations["sign_out"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * ListTasks
         * @description One's own tasks, newest first.
         */
        get: operations["list_tasks"];
        put?: never;
        /**
         * CreateTask
         * @description Have a photo edited: charges the price and answers the waiting task.
         */
        post: operations["create_task"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/{task_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * GetTask
         * @description One task, as it is now, or once it has ended.
         */
        get: operations["get_task"];
        put?: never;
        post?: never;
        /**
         * DeleteTask
         * @description Delete an ended task, and its result files unless they are another task's input.
         */
        delete: operations["delete_task"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/{task_id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * CancelTask
         * @description Cancel a waiting or running task at once, and give its credits back.
         */
        post: operations["cancel_task"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/{task_id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * StreamTask
         * @description What happens to a task, beginning with how it is, until it has ended.
         */
        get: operations["stream_task"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/{task_id}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * RetryTask
         * @description Make a failed or cancelled edit once more: a new task, at today's price, with a deadline of its own.
         */
        post: operations["retry_task"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/{task_id}/timeline": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * GetTimeline
         * @description Each status a task had, oldest first: when, in which attempt, and why.
         */
        get: operations["get_timeline"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * CreateBatch
         * @description Have 1 to 100 edits made: all of them are charged and wait then, or none.
         */
        post: operations["create_batch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * CancelTasks
         * @description Cancel many tasks and give their credits back: some by their ids, a batch, or all that wait or run.
         */
        post: operations["cancel_tasks"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * StreamTasks
         * @description Everything that happens to one's tasks, beginning with each that hasn't ended.
         */
        get: operations["stream_tasks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * ListHistory
         * @description The same list, each task with its inputs' URLs, so that a form can be filled again.
         */
        get: operations["list_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * CountTasks
         * @description How many of one's own tasks are in each status.
         */
        get: operations["count_tasks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/upload": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Upload
         * @description Upload a photo: a form with the part `file`, and perhaps `purpose`; or JSON with its `url`.
         */
        post: operations["upload_alias"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploads": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Upload
         * @description Upload a photo: a form with the part `file`, and perhaps `purpose`; or JSON with its `url`.
         */
        post: operations["upload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Livez
         * @description The process is alive.
         */
        get: operations["livez"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Readyz
         * @description Whether requests can be served, and which part is away if not.
         */
        get: operations["readyz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** Alive */
        Alive: {
            /** @default ok */
            status?: string;
        };
        /**
         * BackgroundChangeConfig
         * @description What to put behind the person.
         */
        BackgroundChangeConfig: {
            /** @description Another name of reference_image. */
            background_image?: string | null;
            /** @description The backdrop of preset. Absent: studio_white. */
            background_preset?: ("studio_white" | "studio_grey" | "studio_black" | "gradient_blue" | "gradient_warm" | "sunset" | "sky" | "green_screen") | null;
            /** @description custom needs a reference. Absent: custom with a reference and no preset, else preset. */
            background_type?: components["schemas"]["BackgroundType"] | null;
            /** @description Another name of reference_image. */
            bg_image?: string | null;
            /** @description Whether the person takes the background's light. Absent: true. */
            color_match?: boolean | null;
            /** @description Feather of the person's edge in pixels. Absent: 0. */
            edge_blur?: number | null;
            /** @description How finely edges and fills are worked out. Absent (as low, medium): standard. */
            quality?: components["schemas"]["Quality"] | null;
            reference_image?: string | null;
            /** @description The long edge: 768, 1024, 1536 or 2048 pixels, never enlarging. Absent: medium. */
            size?: components["schemas"]["Size"] | null;
        };
        /**
         * BackgroundType
         * @description Where the new background comes from.
         * @enum {unknown}
         */
        BackgroundType: "custom" | "preset" | "remove";
        /** Batch */
        Batch: {
            batch_id: string;
            cancelled: number;
            /** Format: date-time */
            created_at: string;
            done: number;
            /** @description When the last of its tasks ended. */
            ended_at: string | null;
            failed: number;
            pending: number;
            processing: number;
            total: number;
        };
        /** Cancellation */
        Cancellation: {
            batch_id?: string | null;
            created_before?: string | null;
            ids?: string[] | null;
            mode?: components["schemas"]["Mode"] | null;
            /** @description `pending` or `processing`. */
            status?: components["schemas"]["TaskStatus"] | null;
        };
        /** Cancelled */
        Cancelled: {
            /** @description How many tasks were cancelled by this. */
            cancelled: number;
            /** @description Up to 100 of those that are done or failed, or that there are none of. */
            not_cancellable: string[];
            /** @description How many credits were given back. */
            refunded: number;
        };
        /** CreatedBatch */
        CreatedBatch: {
            batch_id: string;
            tasks: components["schemas"]["Task"][];
        };
        /** Delivery */
        Delivery: {
            attempts: number;
            /** Format: date-time */
            created_at: string;
            delivery_id: string;
            /** @description The webhook-id; the same in streams and timelines. */
            event_id: string;
            /** @description Why the last attempt failed, and where a redirect led. */
            last_error: string | null;
            /** @description How the last answer began: up to 1 kB. */
            last_response: string | null;
            /** @description The HTTP status of the last answer. */
            last_status: number | null;
            next_attempt_at: string | null;
            status: components["schemas"]["DeliveryStatus"];
            task_id: string | null;
            type: components["schemas"]["WebhookType"];
            /** Format: uri-reference */
            url: string;
        };
        /** DeliveryList */
        DeliveryList: {
            deliveries: components["schemas"]["Delivery"][];
            pagination: components["schemas"]["Pagination"];
        };
        /**
         * DeliveryStatus
         * @description Whether the receiver was told. Gone: it answered 410, and isn't asked again.
         * @enum {string}
         */
        DeliveryStatus: "waiting" | "delivered" | "failed" | "gone";
        /** EndedTask */
        EndedTask: {
            code: string | null;
            /** Format: date-time */
            ended_at: string;
            mode: components["schemas"]["Mode"];
            status: components["schemas"]["TaskStatus"];
            task_id: string;
        };
        /** EndedTasks */
        EndedTasks: {
            code: string | null;
            mode: components["schemas"]["Mode"];
            /** Format: date-time */
            slot: string;
            status: components["schemas"]["TaskStatus"];
            tasks: number;
        };
        /**
         * EntryKind
         * @description Why a balance changed.
         * @enum {string}
         */
        EntryKind: "opening" | "grant" | "charge" | "refund" | "external";
        /** FieldProblem */
        FieldProblem: {
            field: string;
            message: string;
        };
        /** FileList */
        FileList: {
            files: components["schemas"]["ListedFile"][];
            pagination: components["schemas"]["Pagination"];
        };
        /**
         * HeadSwapConfig
         * @description How to put the source's head on the reference's figure.
         */
        HeadSwapConfig: {
            /** @description How far skin and light of head and figure come together. Absent: 0.75. */
            blend_strength?: number | null;
            /** @description Another name of reference_image. */
            cloth_image?: string | null;
            /** @description The figure, where there is no reference. Absent: astronaut. */
            figure_preset?: ("astronaut" | "officer") | null;
            /** @description Whether the head stays as sharp as it is. Absent: true. */
            preserve_details?: boolean | null;
            /** @description How finely edges and fills are worked out. Absent (as low, medium): standard. */
            quality?: components["schemas"]["Quality"] | null;
            reference_image?: string | null;
            /** @description The long edge: 768, 1024, 1536 or 2048 pixels, never enlarging. Absent: medium. */
            size?: components["schemas"]["Size"] | null;
            /** @description Another name of reference_image. */
            target_face_image?: string | null;
        };
        /** HistoricTask */
        HistoricTask: {
            attempts: number;
            /** @description The batch it was created with. */
            batch_id: string | null;
            cancelled_at: string | null;
            completed_at: string | null;
            /** @description As it was sent. */
            config: components["schemas"]["HeadSwapConfig"] | components["schemas"]["BackgroundChangeConfig"] | components["schemas"]["PoseChangeConfig"] | Record<string, never>;
            /** Format: date-time */
            created_at: string;
            credits_consumed: number;
            credits_refunded: number;
            current_step: string | null;
            /** @description Not ended by then, it fails. */
            deadline_at: string | null;
            error: components["schemas"]["TaskFailure"] | null;
            /**
             * Format: uri-reference
             * @description Its stream of events, signed: for an EventSource, for an hour or two.
             */
            events_url: string;
            /** Format: uri-reference */
            face_image_url: string | null;
            failed_at: string | null;
            mode: components["schemas"]["Mode"];
            priority: components["schemas"]["Priority"];
            /** @description Seconds from the latest claim to the end. */
            processing_time: number | null;
            progress: number;
            /** @description While it waits; null in lists, and where it isn't known. */
            queue?: components["schemas"]["PlaceInLine"] | null;
            reference_image: string | null;
            result: components["schemas"]["TaskResult"] | null;
            retry_of: string | null;
            source_image: string;
            /** @description The latest claim. */
            started_at: string | null;
            status: components["schemas"]["TaskStatus"];
            /** Format: uri-reference */
            target_image_url: string | null;
            task_id: string;
            /** Format: date-time */
            updated_at: string;
            user_id: string | null;
        };
        /** History */
        History: {
            pagination: components["schemas"]["Pagination"];
            tasks: components["schemas"]["HistoricTask"][];
        };
        /** LedgerEntry */
        LedgerEntry: {
            amount: number;
            balance_after: number;
            /** Format: date-time */
            created_at: string;
            entry_id: number;
            kind: components["schemas"]["EntryKind"];
            reason: string | null;
            task_id: string | null;
        };
        /** LedgerPage */
        LedgerPage: {
            entries: components["schemas"]["LedgerEntry"][];
            pagination: components["schemas"]["Pagination"];
        };
        /** ListedFile */
        ListedFile: {
            content_type: string;
            file_id: string;
            filename: string;
            height: number;
            /** @description Of an edit's pictures: output, thumbnail or comparison. */
            purpose: string | null;
            size: number;
            /** Format: date-time */
            uploaded_at: string;
            /** Format: uri-reference */
            url: string;
            width: number;
        };
        /**
         * Mode
         * @description The edits Darkroom knows.
         * @enum {string}
         */
        Mode: "HEAD_SWAP" | "BACKGROUND_CHANGE" | "POSE_CHANGE";
        /** ModeDescription */
        ModeDescription: {
            available: boolean;
            base_price: number;
            /**
             * @description Which of the two pictures the result is made on.
             * @enum {string}
             */
            canvas: "source" | "reference";
            config_schema: {
                [key: string]: unknown;
            };
            /** @description What makes it, the first before the others. */
            engines: string[];
            example: components["schemas"]["ModeExample"] | null;
            mode: components["schemas"]["Mode"];
            /** @description The field of config that takes one of them. */
            preset_field: string;
            /** @description Where each preset can be seen. */
            preset_pictures: {
                [key: string]: string;
            };
            presets: string[];
            prices: components["schemas"]["ModePrice"][];
        };
        /** ModeExample */
        ModeExample: {
            after: string;
            before: string;
            source: string | null;
        };
        /** ModeList */
        ModeList: {
            modes: components["schemas"]["ModeDescription"][];
            quality_factors: {
                [key: string]: number;
            };
            sizes: {
                [key: string]: components["schemas"]["SizeDescription"];
            };
        };
        /** ModePrice */
        ModePrice: {
            credits: number;
            quality: components["schemas"]["Quality"];
            size: components["schemas"]["Size"];
        };
        /** NewBackgroundChange */
        NewBackgroundChange: {
            config?: components["schemas"]["BackgroundChangeConfig"];
            /** @description Not ended by then, the task fails with DEADLINE_EXCEEDED and its credits are given back. */
            deadline_seconds?: number | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            mode: "BACKGROUND_CHANGE";
            priority?: components["schemas"]["Priority"];
            /** @description The id of an uploaded file. */
            reference_image?: string | null;
            /** @description The id of an uploaded file. */
            source_image: string;
            /** @description The ends to be told; absent: all. */
            webhook_events?: components["schemas"]["TaskEnd"][] | null;
            /**
             * Format: uri
             * @description Told when the task has ended.
             */
            webhook_url?: string | null;
        };
        /** NewBatch */
        NewBatch: {
            tasks: components["schemas"]["NewTask"][];
            /** @description Told when all of them have ended. */
            webhook_url?: string | null;
        };
        /** NewHeadSwap */
        NewHeadSwap: {
            config?: components["schemas"]["HeadSwapConfig"];
            /** @description Not ended by then, the task fails with DEADLINE_EXCEEDED and its credits are given back. */
            deadline_seconds?: number | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            mode: "HEAD_SWAP";
            priority?: components["schemas"]["Priority"];
            /** @description The id of an uploaded file. */
            reference_image?: string | null;
            /** @description The id of an uploaded file. */
            source_image: string;
            /** @description The ends to be told; absent: all. */
            webhook_events?: components["schemas"]["TaskEnd"][] | null;
            /**
             * Format: uri
             * @description Told when the task has ended.
             */
            webhook_url?: string | null;
        };
        /** NewPing */
        NewPing: {
            /** Format: uri-reference */
            url: string;
        };
        /** NewPoseChange */
        NewPoseChange: {
            config?: components["schemas"]["PoseChangeConfig"];
            /** @description Not ended by then, the task fails with DEADLINE_EXCEEDED and its credits are given back. */
            deadline_seconds?: number | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            mode: "POSE_CHANGE";
            priority?: components["schemas"]["Priority"];
            /** @description The id of an uploaded file. */
            reference_image?: string | null;
            /** @description The id of an uploaded file. */
            source_image: string;
            /** @description The ends to be told; absent: all. */
            webhook_events?: components["schemas"]["TaskEnd"][] | null;
            /**
             * Format: uri
             * @description Told when the task has ended.
             */
            webhook_url?: string | null;
        };
        /** NewRetry */
        NewRetry: {
            /** @description Not ended by then, the task fails with DEADLINE_EXCEEDED and its credits are given back. */
            deadline_seconds?: number | null;
        };
        /** NewTask */
        NewTask: components["schemas"]["NewHeadSwap"] | components["schemas"]["NewBackgroundChange"] | components["schemas"]["NewPoseChange"];
        /** OperatorsTask */
        OperatorsTask: {
            attempts: number;
            /** Format: date-time */
            created_at: string;
            credits_consumed: number;
            credits_refunded: number;
            current_step: string | null;
            mode: components["schemas"]["Mode"];
            priority: components["schemas"]["Priority"];
            progress: number;
            status: components["schemas"]["TaskStatus"];
            task_id: string;
            user_id: string | null;
        };
        /** Overview */
        Overview: {
            /** Format: date-time */
            at: string;
            /** @description Of the last day. */
            ended: components["schemas"]["EndedTasks"][];
            last_ended: components["schemas"]["EndedTask"][];
            /** @description Those that have run longest, 200 at most. */
            running: components["schemas"]["RunningTask"][];
            running_tasks: number;
            waiting: components["schemas"]["WaitingMode"][];
            workers: components["schemas"]["SeenWorker"][];
        };
        /** OwnAccount */
        OwnAccount: {
            /** Format: date-time */
            created_at: string;
            current_credits: number;
            current_plan_id: string | null;
            email: string | null;
            /**
             * Format: uri-reference
             * @description The stream of all of one's tasks, signed, for an hour or two.
             */
            events_url: string;
            total_credits_used: number;
            user_id: string;
            username: string | null;
        };
        /** Pagination */
        Pagination: {
            next_cursor: string | null;
            page: number | null;
            page_size: number;
            total: number | null;
            total_capped: boolean;
            total_pages: number | null;
        };
        /**
         * Part
         * @description How a part of the service is.
         * @enum {string}
         */
        Part: "ok" | "away" | "read-only" | "unusable" | "outdated" | "none seen" | "another storage";
        /** PlaceInLine */
        PlaceInLine: {
            /** @description 1: it is the next to be begun. */
            position: number;
            /** @description Until it begins, about. */
            seconds: number;
        };
        /**
         * PoseChangeConfig
         * @description Which pose to take, and how.
         */
        PoseChangeConfig: {
            /** @description Another name of reference_image. */
            pose_image?: string | null;
            /** @description Another name of reference_image. */
            pose_reference?: string | null;
            /** @description Whether the face stays as it is, instead of turning. Absent: true. */
            preserve_face?: boolean | null;
            /** @description How finely edges and fills are worked out. Absent (as low, medium): standard. */
            quality?: components["schemas"]["Quality"] | null;
            reference_image?: string | null;
            /** @description The long edge: 768, 1024, 1536 or 2048 pixels, never enlarging. Absent: medium. */
            size?: components["schemas"]["Size"] | null;
            /** @description How softly joints bend. Absent: 0.5. */
            smoothness?: number | null;
            /** @description The pose; it wins over a reference. Absent, without a reference: standing_front. */
            target_pose?: ("standing_front" | "arms_raised" | "arms_out" | "hands_on_hips" | "waving" | "walking" | "cheering" | "pointing" | "dancing" | "one_arm_raised" | "side_step") | null;
        };
        /**
         * Priority
         * @description The order among one user's own tasks; between users priority means nothing.
         * @default normal
         * @enum {string}
         */
        Priority: "low" | "normal" | "high";
        /** Problem */
        Problem: {
            code: components["schemas"]["ProblemCode"];
            /** @description With INSUFFICIENT_CREDITS: the balance. */
            current?: number;
            /** @description With INSUFFICIENT_CREDITS: how much is missing. */
            deficit?: number;
            detail: string;
            /** @description Which inputs are at fault, and why; not with every code. */
            errors?: components["schemas"]["FieldProblem"][];
            instance: string;
            request_id: string;
            /** @description With INSUFFICIENT_CREDITS: the price. */
            required?: number;
            status: number;
            title: string;
            /** @default about:blank */
            type?: string;
        };
        /**
         * ProblemCode
         * @description Why a request was refused.
         * @enum {string}
         */
        ProblemCode: "INVALID_REQUEST" | "INVALID_IMAGE" | "URL_NOT_ALLOWED" | "URL_UNREACHABLE" | "UNAUTHORIZED" | "INSUFFICIENT_CREDITS" | "FORBIDDEN" | "NOT_FOUND" | "TASK_NOT_FOUND" | "FILE_NOT_FOUND" | "METHOD_NOT_ALLOWED" | "TASK_NOT_CANCELLABLE" | "TASK_NOT_FINISHED" | "TASK_NOT_RETRYABLE" | "FILE_IN_USE" | "FILE_TOO_LARGE" | "STORAGE_QUOTA_EXCEEDED" | "INVALID_FILE_TYPE" | "IDEMPOTENCY_KEY_REUSED" | "RATE_LIMITED" | "TOO_MANY_PENDING_TASKS" | "INTERNAL_ERROR" | "MODE_NOT_AVAILABLE" | "SERVICE_UNAVAILABLE";
        /**
         * Quality
         * @description How much work an edit may take. `low` and `medium` are older clients' words for `standard`.
         * @enum {unknown}
         */
        Quality: "high" | "low" | "medium" | "standard" | "ultra";
        /** Readiness */
        Readiness: {
            database: components["schemas"]["Part"];
            redis: components["schemas"]["Part"];
            schema: components["schemas"]["Part"];
            /** @description ok, degraded or unavailable */
            status: string;
            storage: components["schemas"]["Part"];
            workers: components["schemas"]["Part"];
        };
        /**
         * ResultMetadata
         * @description What is to be known about the pictures, of every mode alike.
         */
        ResultMetadata: {
            /** @description The engine that made it. */
            engine?: string;
            /** @enum {string} */
            format?: "jpeg" | "png" | "webp";
            /** @description Pixels. */
            height?: number;
            /** @description Models of the operator's own that it was made with: matte, inpaint. */
            models?: {
                [key: string]: {
                    licence?: string;
                    sha256?: string;
                };
            };
            /** @description How long each step took. */
            seconds?: {
                [key: string]: number;
            };
            /** @description Bytes. */
            size?: number;
            /** @description For the person, who may try again. */
            warnings?: string[];
            /** @description Pixels. */
            width?: number;
        };
        /** RunningTask */
        RunningTask: {
            attempts: number;
            current_step: string | null;
            mode: components["schemas"]["Mode"];
            progress: number;
            seconds: number;
            /** Format: date-time */
            started_at: string;
            task_id: string;
            worker_id: string | null;
        };
        /**
         * Scope
         * @description What a key or a session may do.
         * @enum {string}
         */
        Scope: "user" | "admin";
        /** SeenWorker */
        SeenWorker: {
            modes: string[];
            slots: number;
            /** Format: date-time */
            started_at: string;
            trouble: string | null;
            worker_id: string;
        };
        /** Session */
        Session: {
            /**
             * Format: date-time
             * @description Then at the latest; before, a week after its last use.
             */
            ends_at: string;
            scope: components["schemas"]["Scope"];
            user_id: string;
        };
        /** SignIn */
        SignIn: {
            /** @description What a one-time link has behind its #. */
            link?: string | null;
            /** @description An API key or a JWT. */
            token?: string | null;
        };
        /**
         * Size
         * @description The long edge of the result, never larger than the canvas it is made on.
         * @enum {unknown}
         */
        Size: "large" | "medium" | "small" | "xlarge";
        /** SizeDescription */
        SizeDescription: {
            factor: number;
            long_edge: number;
        };
        /** Task */
        Task: {
            attempts: number;
            /** @description The batch it was created with. */
            batch_id: string | null;
            cancelled_at: string | null;
            completed_at: string | null;
            /** @description As it was sent. */
            config: components["schemas"]["HeadSwapConfig"] | components["schemas"]["BackgroundChangeConfig"] | components["schemas"]["PoseChangeConfig"] | Record<string, never>;
            /** Format: date-time */
            created_at: string;
            credits_consumed: number;
            credits_refunded: number;
            current_step: string | null;
            /** @description Not ended by then, it fails. */
            deadline_at: string | null;
            error: components["schemas"]["TaskFailure"] | null;
            /**
             * Format: uri-reference
             * @description Its stream of events, signed: for an EventSource, for an hour or two.
             */
            events_url: string;
            failed_at: string | null;
            mode: components["schemas"]["Mode"];
            priority: components["schemas"]["Priority"];
            /** @description Seconds from the latest claim to the end. */
            processing_time: number | null;
            progress: number;
            /** @description While it waits; null in lists, and where it isn't known. */
            queue?: components["schemas"]["PlaceInLine"] | null;
            reference_image: string | null;
            result: components["schemas"]["TaskResult"] | null;
            retry_of: string | null;
            source_image: string;
            /** @description The latest claim. */
            started_at: string | null;
            status: components["schemas"]["TaskStatus"];
            task_id: string;
            /** Format: date-time */
            updated_at: string;
            user_id: string | null;
        };
        /**
         * TaskEnd
         * @description A task's end, as webhooks name it.
         * @enum {string}
         */
        TaskEnd: "task.done" | "task.failed" | "task.cancelled";
        /** TaskFailure */
        TaskFailure: {
            /** @description One of NO_FACE_DETECTED, MULTIPLE_FACES_DETECTED, NO_PERSON_DETECTED, POSE_EXTRACTION_FAILED, IMAGE_DECODE_FAILED, IMAGE_NOT_FOUND, INVALID_CONFIG, ENGINE_NOT_AVAILABLE, ENGINE_TIMEOUT, ENGINE_RESPONSE_ERROR, ENGINE_AUTH_FAILED, PROCESSING_TIMEOUT, PROCESSING_FAILED, ATTEMPTS_EXHAUSTED, RESULT_SAVE_FAILED, DEADLINE_EXCEEDED. Tasks of the system before this one keep theirs. */
            code: string;
            details?: {
                [key: string]: unknown;
            } | null;
            message: string;
        };
        /** TaskHistory */
        TaskHistory: {
            events: components["schemas"]["TimelineEvent"][];
            task: components["schemas"]["OperatorsTask"];
        };
        /** TaskList */
        TaskList: {
            pagination: components["schemas"]["Pagination"];
            tasks: components["schemas"]["Task"][];
        };
        /** TaskResult */
        TaskResult: {
            /** Format: uri-reference */
            comparison_image: string | null;
            metadata: components["schemas"]["ResultMetadata"] | Record<string, never>;
            /** @description Null while the system before this one has the file. */
            output_file_id: string | null;
            /** Format: uri-reference */
            output_image: string;
            /** Format: uri-reference */
            thumbnail: string | null;
        };
        /** TaskStats */
        TaskStats: {
            cancelled: number;
            done: number;
            failed: number;
            pending: number;
            processing: number;
            total: number;
        };
        /**
         * TaskStatus
         * @description Where a task is in its life. Done, failed and cancelled are ends.
         * @enum {string}
         */
        TaskStatus: "pending" | "processing" | "done" | "failed" | "cancelled";
        /** Timeline */
        Timeline: {
            events: components["schemas"]["TimelineEvent"][];
        };
        /** TimelineEvent */
        TimelineEvent: {
            /** Format: date-time */
            at: string;
            /** @description How many attempts had been counted. */
            attempt: number;
            /** @description Of the failure that ended the attempt, or the task. */
            code: string | null;
            /** @description What made the edit. */
            engine: string | null;
            /** @description The same in streams and webhooks. */
            id: string;
            /** @description Why, as a sentence for a person. */
            note: string | null;
            status: components["schemas"]["TaskStatus"];
        };
        /** UploadedFile */
        UploadedFile: {
            content_type: string;
            file_id: string;
            filename: string;
            height: number;
            size: number;
            /** Format: date-time */
            uploaded_at: string;
            /** Format: uri-reference */
            url: string;
            width: number;
        };
        /** WaitingMode */
        WaitingMode: {
            mode: components["schemas"]["Mode"];
            /** @description For how long the first of them has stood in the line. */
            oldest_seconds: number;
            tasks: number;
        };
        /** WebhookSecret */
        WebhookSecret: {
            /** @description As Standard Webhooks libraries take it: whsec_... */
            secret: string;
        };
        /**
         * WebhookType
         * @description What a webhook tells.
         * @enum {string}
         */
        WebhookType: "task.done" | "task.failed" | "task.cancelled" | "batch.done" | "ping";
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type Alive = components['schemas']['Alive'];
export type BackgroundChangeConfig = components['schemas']['BackgroundChangeConfig'];
export type BackgroundType = components['schemas']['BackgroundType'];
export type Batch = components['schemas']['Batch'];
export type Cancellation = components['schemas']['Cancellation'];
export type Cancelled = components['schemas']['Cancelled'];
export type CreatedBatch = components['schemas']['CreatedBatch'];
export type Delivery = components['schemas']['Delivery'];
export type DeliveryList = components['schemas']['DeliveryList'];
export type DeliveryStatus = components['schemas']['DeliveryStatus'];
export type EndedTask = components['schemas']['EndedTask'];
export type EndedTasks = components['schemas']['EndedTasks'];
export type EntryKind = components['schemas']['EntryKind'];
export type FieldProblem = components['schemas']['FieldProblem'];
export type FileList = components['schemas']['FileList'];
export type HeadSwapConfig = components['schemas']['HeadSwapConfig'];
export type HistoricTask = components['schemas']['HistoricTask'];
export type History = components['schemas']['History'];
export type LedgerEntry = components['schemas']['LedgerEntry'];
export type LedgerPage = components['schemas']['LedgerPage'];
export type ListedFile = components['schemas']['ListedFile'];
export type Mode = components['schemas']['Mode'];
export type ModeDescription = components['schemas']['ModeDescription'];
export type ModeExample = components['schemas']['ModeExample'];
export type ModeList = components['schemas']['ModeList'];
export type ModePrice = components['schemas']['ModePrice'];
export type NewBackgroundChange = components['schemas']['NewBackgroundChange'];
export type NewBatch = components['schemas']['NewBatch'];
export type NewHeadSwap = components['schemas']['NewHeadSwap'];
export type NewPing = components['schemas']['NewPing'];
export type NewPoseChange = components['schemas']['NewPoseChange'];
export type NewRetry = components['schemas']['NewRetry'];
export type NewTask = components['schemas']['NewTask'];
export type OperatorsTask = components['schemas']['OperatorsTask'];
export type Overview = components['schemas']['Overview'];
export type OwnAccount = components['schemas']['OwnAccount'];
export type Pagination = components['schemas']['Pagination'];
export type Part = components['schemas']['Part'];
export type PlaceInLine = components['schemas']['PlaceInLine'];
export type PoseChangeConfig = components['schemas']['PoseChangeConfig'];
export type Priority = components['schemas']['Priority'];
export type Problem = components['schemas']['Problem'];
export type ProblemCode = components['schemas']['ProblemCode'];
export type Quality = components['schemas']['Quality'];
export type Readiness = components['schemas']['Readiness'];
export type ResultMetadata = components['schemas']['ResultMetadata'];
export type RunningTask = components['schemas']['RunningTask'];
export type Scope = components['schemas']['Scope'];
export type SeenWorker = components['schemas']['SeenWorker'];
export type Session = components['schemas']['Session'];
export type SignIn = components['schemas']['SignIn'];
export type Size = components['schemas']['Size'];
export type SizeDescription = components['schemas']['SizeDescription'];
export type Task = components['schemas']['Task'];
export type TaskEnd = components['schemas']['TaskEnd'];
export type TaskFailure = components['schemas']['TaskFailure'];
export type TaskHistory = components['schemas']['TaskHistory'];
export type TaskList = components['schemas']['TaskList'];
export type TaskResult = components['schemas']['TaskResult'];
export type TaskStats = components['schemas']['TaskStats'];
export type TaskStatus = components['schemas']['TaskStatus'];
export type Timeline = components['schemas']['Timeline'];
export type TimelineEvent = components['schemas']['TimelineEvent'];
export type UploadedFile = components['schemas']['UploadedFile'];
export type WaitingMode = components['schemas']['WaitingMode'];
export type WebhookSecret = components['schemas']['WebhookSecret'];
export type WebhookType = components['schemas']['WebhookType'];
export type $defs = Record<string, never>;
export interface operations {
    get_batch: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                batch_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Batch"];
                };
            };
        };
    };
    list_files: {
        parameters: {
            query?: {
                /** @description next_cursor of the page before, with the same filters. */
                cursor?: string;
                page_size?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FileList"];
                };
            };
        };
    };
    get_file: {
        parameters: {
            query?: {
                /** @description From a signed URL. */
                expires?: string;
                /** @description From a signed URL. */
                signature?: string;
            };
            header?: never;
            path: {
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "image/avif": string;
                    "image/heic": string;
                    "image/jpeg": string;
                    "image/png": string;
                    "image/webp": string;
                };
            };
            /** @description The range asked for. */
            206: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "image/avif": string;
                    "image/heic": string;
                    "image/jpeg": string;
                    "image/png": string;
                    "image/webp": string;
                };
            };
        };
    };
    delete_file: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, nothing follows */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    get_me: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OwnAccount"];
                };
            };
        };
    };
    get_credits: {
        parameters: {
            query?: {
                /** @description next_cursor of the page before, with the same filters. */
                cursor?: string;
                page_size?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LedgerPage"];
                };
            };
        };
    };
    webhook_secret: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WebhookSecret"];
                };
            };
        };
    };
    rotate_secret: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WebhookSecret"];
                };
            };
        };
    };
    list_deliveries: {
        parameters: {
            query?: {
                /** @description next_cursor of the page before, with the same filters. */
                cursor?: string;
                page_size?: number;
                status?: "waiting" | "delivered" | "failed" | "gone";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeliveryList"];
                };
            };
        };
    };
    redeliver: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                delivery_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request accepted, processing continues off-line */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Delivery"];
                };
            };
        };
    };
    ping: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewPing"];
            };
        };
        responses: {
            /** @description Request accepted, processing continues off-line */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Delivery"];
                };
            };
        };
    };
    list_modes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModeList"];
                };
            };
        };
    };
    stream_overview: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `event` is `overview` (`data` as described), `findings` (the doctor's: a list of `check`, `health`, `message`, `remedy`), or `trouble` (`message`). */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["Overview"];
                };
            };
        };
    };
    get_history: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                task_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskHistory"];
                };
            };
        };
    };
    sign_in: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignIn"];
            };
        };
        responses: {
            /** @description Document created, URL follows */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
        };
    };
    sign_out: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, nothing follows */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_tasks: {
        parameters: {
            query?: {
                /** @description Those that were created with this batch. */
                batch_id?: string;
                /** @description next_cursor of the page before, with the same filters. */
                cursor?: string;
                /** @description Up to 100 ids, with commas between them; those that aren't there are left out. */
                ids?: string;
                /** @description `all` means no filter. */
                mode?: "HEAD_SWAP" | "BACKGROUND_CHANGE" | "POSE_CHANGE" | "all";
                /** @description page x page_size goes up to 10,000; beyond, use the cursor. */
                page?: number;
                page_size?: number;
                /** @description `all` means no filter. */
                status?: "pending" | "processing" | "done" | "failed" | "cancelled" | "all";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskList"];
                };
            };
        };
    };
    create_task: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters. For 24 hours the same key and body give the same answer. */
                "Idempotency-Key"?: string;
                /** @description `wait=N`: answer when the task has ended, or after N seconds (1-60). */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewTask"];
            };
        };
        responses: {
            /** @description The task of an earlier request with the same Idempotency-Key. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Task"];
                };
            };
            /** @description Document created, URL follows */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Task"];
                };
            };
        };
    };
    get_task: {
        parameters: {
            query?: {
                /** @description Seconds to wait for the task's end. */
                wait?: number;
            };
            header?: never;
            path: {
                task_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Task"];
                };
            };
        };
    };
    delete_task: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                task_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, nothing follows */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    cancel_task: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                task_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Task"];
                };
            };
        };
    };
    stream_task: {
        parameters: {
            query?: {
                /** @description From a signed events_url. */
                expires?: string;
                /** @description From a signed events_url. */
                signature?: string;
            };
            header?: {
                /** @description The id that was told last: what came after it is told first. */
                "Last-Event-ID"?: string;
            };
            path: {
                task_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `event` is `status` or `progress`, `data` the task as JSON, `id` what to resume from. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description The task has ended, and Last-Event-ID told its end. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    retry_task: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters. For 24 hours the same key and body give the same answer. */
                "Idempotency-Key"?: string;
                /** @description `wait=N`: answer when the task has ended, or after N seconds (1-60). */
                Prefer?: string;
            };
            path: {
                task_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["NewRetry"];
            };
        };
        responses: {
            /** @description The task of an earlier request with the same Idempotency-Key. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Task"];
                };
            };
            /** @description Document created, URL follows */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Task"];
                };
            };
        };
    };
    get_timeline: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                task_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Timeline"];
                };
            };
        };
    };
    create_batch: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters. For 24 hours the same key and body give the same answer. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewBatch"];
            };
        };
        responses: {
            /** @description The batch of an earlier request with the same key. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedBatch"];
                };
            };
            /** @description Document created, URL follows */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedBatch"];
                };
            };
        };
    };
    cancel_tasks: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Cancellation"];
            };
        };
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Cancelled"];
                };
            };
        };
    };
    stream_tasks: {
        parameters: {
            query?: {
                /** @description From a signed events_url. */
                expires?: string;
                /** @description From a signed events_url. */
                signature?: string;
                /** @description From a signed events_url. */
                user?: string;
            };
            header?: {
                /** @description The id that was told last: what came after it is told first. */
                "Last-Event-ID"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `event` is `status` or `progress`, `data` the task as JSON, `id` what to resume from. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
        };
    };
    list_history: {
        parameters: {
            query?: {
                /** @description Those that were created with this batch. */
                batch_id?: string;
                /** @description next_cursor of the page before, with the same filters. */
                cursor?: string;
                /** @description Up to 100 ids, with commas between them; those that aren't there are left out. */
                ids?: string;
                /** @description `all` means no filter. */
                mode?: "HEAD_SWAP" | "BACKGROUND_CHANGE" | "POSE_CHANGE" | "all";
                /** @description page x page_size goes up to 10,000; beyond, use the cursor. */
                page?: number;
                page_size?: number;
                /** @description `all` means no filter. */
                status?: "pending" | "processing" | "done" | "failed" | "cancelled" | "all";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["History"];
                };
            };
        };
    };
    count_tasks: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskStats"];
                };
            };
        };
    };
    upload_alias: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    purpose?: string;
                    /**
                     * Format: uri-reference
                     * @description Fetched within 30 s, over at most 3 redirects, from public addresses.
                     */
                    url: string;
                };
                "multipart/form-data": {
                    /**
                     * Format: binary
                     * @description JPEG, PNG, WebP, HEIC or AVIF.
                     */
                    file: string;
                    purpose?: string;
                };
            };
        };
        responses: {
            /** @description Document created, URL follows */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadedFile"];
                };
            };
        };
    };
    upload: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    purpose?: string;
                    /**
                     * Format: uri-reference
                     * @description Fetched within 30 s, over at most 3 redirects, from public addresses.
                     */
                    url: string;
                };
                "multipart/form-data": {
                    /**
                     * Format: binary
                     * @description JPEG, PNG, WebP, HEIC or AVIF.
                     */
                    file: string;
                    purpose?: string;
                };
            };
        };
        responses: {
            /** @description Document created, URL follows */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadedFile"];
                };
            };
        };
    };
    livez: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Alive"];
                };
            };
        };
    };
    readyz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Request fulfilled, document follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
}
